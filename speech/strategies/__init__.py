"""Ways of cutting live audio into calls. A strategy knows no clock, no model and no score.

It is a generator: it yields a `Call`, is sent the `Heard` transcript of that call, and commits words. What is
committed is never taken back. So the same strategy runs against any backend, and any recogniser.
"""

from ...backends.errors import unknown
from .base import Call, Heard, Strategy
from .disjoint import Disjoint
from .sliding import Sliding

__all__ = ["Call", "Disjoint", "Heard", "Sliding", "Strategy", "make_strategy", "strategy_names"]

_STRATEGIES: dict[str, type[Disjoint] | type[Sliding]] = {"disjoint": Disjoint, "sliding": Sliding}


def strategy_names() -> dict[str, str]:
    """Each strategy's name with one line on what it does."""
    return {name: (kind.__doc__ or "").splitlines()[0] for name, kind in _STRATEGIES.items()}


def make_strategy(name: str, window_s: float, step_s: float | None) -> Strategy:
    """The strategy `name` hearing `window_s` at once, every `step_s` (for `disjoint` the step is the window).

    Raises `InputError` for an unknown name or a step that is longer than the window.
    """
    if name not in _STRATEGIES:
        raise unknown("strategy", name, _STRATEGIES)
    return _STRATEGIES[name].of(window_s, step_s)
