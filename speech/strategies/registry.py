"""Strategies by name: our own, those that installed packages offer, and `package.module:Class`."""

from typing import cast

from ...backends.errors import InputError
from ...backends.workload.cutting import CUTTINGS
from ...datasets.offered import list_offered, load_own
from .alignatt import AlignAtt
from .base import Strategy
from .disjoint import Disjoint
from .overlapping import Overlapping
from .prompted import Prompted
from .sequential import Offline, Sequential
from .sliding import Sliding
from .vad import Vad

GROUP = "earspan.strategies"  # of entry points, whose names are strategies
OFFLINE = "offline"  # hears the whole recording in one call, whatever the window
_STRATEGIES: dict[str, type[Strategy]] = {
    "disjoint": Disjoint,
    "overlap": Overlapping,
    "sliding": Sliding,
    "prompted": Prompted,
    "vad": Vad,
    "alignatt": AlignAtt,
    "sequential": Sequential,
    OFFLINE: Offline,
}
# Those that hear their window again at every step; for our others a step is no setting.
STEPPING = tuple(name for name, kind in CUTTINGS.items() if kind.stepping)
# Those that ask for more than text: what the decoder attends to, or where Whisper itself would go on.
LOOKING_INSIDE = ("alignatt", "sequential")


def strategy_names() -> dict[str, str]:
    """Return each strategy's name with one line on what it does, or for one of a package where it comes from."""
    ours = {name: (kind.__doc__ or "").strip().split("\n")[0] for name, kind in _STRATEGIES.items()}
    return {name: f"offered as {point.value}" for name, point in list_offered(GROUP).items()} | ours


def make_strategy(name: str, window_s: float, step_s: float | None) -> Strategy:
    """Return the strategy `name` that hears `window_s` at once, every `step_s`.

    name: one of `strategy_names()`, or `package.module:Class`.

    Raises `InputError` for an unknown name, a class that cannot be imported or is no strategy, and settings that it
    does not take.
    """
    return (_STRATEGIES.get(name) or _load(name)).of(window_s, step_s)


def check_asks_for_text(name: str) -> None:
    """Raise `InputError` for a strategy that looks into Whisper, where a server is asked that gives text alone."""
    if name in LOOKING_INSIDE:
        raise InputError(
            f"{name}: it looks into Whisper, which no endpoint shows; type another --strategy, for example disjoint or "
            "sliding"
        )


def step_of(name: str, step_s: float) -> float | None:
    """Return the step that `make_strategy` takes for `name`: `step_s`, or None where the strategy sets its own."""
    return step_s if name in STEPPING or name not in _STRATEGIES else None


def _load(name: str) -> type[Strategy]:
    kind = load_own("strategy", name, GROUP, _STRATEGIES)
    missing = [method for method in ("of", "run", "fixed_calls") if not callable(getattr(kind, method, None))]
    if missing:
        raise InputError(
            f"strategy {name!r} has no {' and no '.join(missing)}; expected a subclass of "
            "earspan.speech.strategies.Strategy, see docs/adding-a-strategy.md"
        )
    return cast(type[Strategy], kind)
