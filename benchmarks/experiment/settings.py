"""Every way of cutting the recordings that an experiment asks for, with the clocks on which it is played."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...backends.timing import Backend
from ...backends.workload.models import Dimensions
from ...backends.workload.op import LONGEST_S
from ...speech.asr.endpoint_engine import EndpointEngine
from ...speech.asr.transcriber import Hearing
from ...speech.strategies import LOOKING_INSIDE, OFFLINE, make_strategy, step_of
from ...speech.streaming.clock import ServiceTime, no_time
from ...speech.streaming.service import measured_time, service_time
from .experiment import Experiment
from .planning import fits, require_window, window_of
from .records import Plan


@dataclass(frozen=True, slots=True)
class Clock:
    """Whose times calls take: those of a backend, or none on infinitely fast hardware, whose backend is None.

    engine: hears what is played on it.
    holds: whether the backend can hold the calls of a grid.
    """

    backend: str | None
    service_s: ServiceTime
    engine: Hearing
    holds: bool = True

    def plays(self, strategy: str) -> bool:
        """Return whether a strategy of the grid can be played on it."""
        return self.holds and not (strategy in LOOKING_INSIDE and isinstance(self.engine, EndpointEngine))


def simulate(experiment: Experiment, backend: Backend, timed: Dimensions, heard: Dimensions, engine: Hearing) -> Clock:
    """Return the clock of a simulated backend. timed, heard: sizes of the Whisper it times and of that of `engine`."""
    streams, padding = experiment.load.streams, experiment.padding
    service_s = service_time(backend, timed, heard, streams=streams, padding=padding)
    return Clock(backend.name, service_s, engine, experiment.play != "grid" or fits(experiment, backend, timed))


def measure(backend: str, engine: Hearing) -> Clock:
    """Return the clock of a backend whose engine says itself how long each call took."""
    return Clock(backend, measured_time, engine)


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of cutting all recordings, with the clocks on which it is played. Equal calls are heard once."""

    strategy: str
    window_s: float
    step_s: float | None
    clocks: tuple[Clock, ...]


def list_settings(
    experiment: Experiment, engine: Hearing, clocks: Sequence[Clock], plans: Sequence[Plan]
) -> Iterator[Setting]:
    """Yield every setting: the grid on infinitely fast hardware, and every backend in its own window.

    Where backends play the grid, they do so beside the fast clock. The window of a backend joins the grid of its
    strategy, if it is not of it: its calls are made anyway.

    engine: hears what is played on infinitely fast hardware.
    clocks, plans: of the backends, in the order of the experiment.
    """
    bare, found = Clock(None, no_time, engine), dict[tuple[str, float, float | None], tuple[Clock, ...]]()
    in_grid = clocks if experiment.play == "grid" else ()
    for name in experiment.grid:
        for window_s in list_windows(experiment, name):
            own = tuple(clock for clock in (*in_grid, bare) if clock.plays(name))
            if own:
                found[name, window_s, step_of(name, experiment.heard_step_s)] = own
    strategy, step_s = experiment.strategy, step_of(experiment.strategy, experiment.load.step_s)
    own = [(clock, plan, window_of(experiment, plan)) for clock, plan in zip(clocks, plans, strict=True)]
    if not found and len(own) == 1:  # there is nothing else to hear
        require_window(experiment, own[0][1])
    if not found and not own:
        found[strategy, experiment.window_s or LONGEST_S, step_s] = (bare,)
    for clock, _, window_s in own if experiment.play == "span" else ():
        if window_s is not None:
            in_curve = strategy in experiment.grid and step_s == step_of(strategy, experiment.heard_step_s)
            before = found.get((strategy, window_s, step_s), (bare,) if in_curve else ())
            found[strategy, window_s, step_s] = (*before, clock)
    for (name, window_s, own_step_s), own_clocks in found.items():
        make_strategy(name, window_s, own_step_s)
        yield Setting(name, window_s, own_step_s, own_clocks)


def list_windows(experiment: Experiment, strategy: str) -> list[float]:
    """Return the windows of the grid, those left out that are shorter than the step; the longest first (`spread`)."""
    step_s = step_of(strategy, experiment.heard_step_s)
    windows = [w for w in experiment.grid.get(strategy, ()) if step_s is None or w >= step_s]
    if strategy == OFFLINE:  # it hears all at once, whatever the window
        windows = [LONGEST_S]
    return spread(windows)


def spread(values: Sequence[float]) -> list[float]:
    """Return the same values, the last first, then the first, then always the middle of the widest gap by place.

    So the shape of a curve is known early.
    """
    order, gaps = [len(values) - 1, 0][: len(values)], [(0, len(values) - 1)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return [values[place] for place in order]
