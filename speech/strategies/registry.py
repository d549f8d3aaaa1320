"""Strategies by name, and a user's own as `package.module:Class`."""

import importlib
from typing import Any, Protocol

from ...backends.errors import InputError, unknown
from .alignatt import AlignAtt
from .base import Strategy
from .disjoint import Disjoint
from .overlapping import Overlapping
from .prompted import Prompted
from .sequential import Offline, Sequential
from .sliding import Sliding
from .vad import Vad


class StrategyKind(Protocol):
    """What is registered: a class whose docstring says in one line what it does, and how it is made."""

    __doc__: str | None

    def of(self, window_s: float, step_s: float | None) -> Strategy:
        """The strategy hearing `window_s` at once, every `step_s`; `InputError` if it cannot."""
        ...


OFFLINE = "offline"  # hears the whole recording in one call, whatever the window
_STRATEGIES: dict[str, StrategyKind] = {
    "disjoint": Disjoint,
    "overlap": Overlapping,
    "sliding": Sliding,
    "prompted": Prompted,
    "vad": Vad,
    "alignatt": AlignAtt,
    "sequential": Sequential,
    OFFLINE: Offline,
}
# Those that hear their window again at every step; for the others a step is no setting.
STEPPING = ("sliding", "alignatt")


def strategy_names() -> dict[str, str]:
    """Each strategy's name with one line on what it does."""
    return {name: _first_line(kind) for name, kind in _STRATEGIES.items()}


def make_strategy(name: str, window_s: float, step_s: float | None) -> Strategy:
    """The strategy `name`, or `package.module:Class`, hearing `window_s` at once, every `step_s`.

    Raises `InputError` for an unknown name, a class that cannot be imported, and settings that it does not take.
    """
    return _kind(name).of(window_s, step_s)


def step_of(name: str, step_s: float) -> float | None:
    """The step that `make_strategy` takes for `name`: `step_s`, or None where the strategy sets its own."""
    return step_s if name in STEPPING or ":" in name else None


def _kind(name: str) -> StrategyKind:
    if ":" in name:
        return _own(name)
    if name not in _STRATEGIES:
        raise unknown("strategy", name, _STRATEGIES)
    return _STRATEGIES[name]


def _own(name: str) -> StrategyKind:
    module_name, _, class_name = name.partition(":")
    try:
        kind: Any = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"strategy {name!r}: {error}; expected package.module:Class that can be imported") from error
    missing = [method for method in ("of", "run", "fixed_calls") if not callable(getattr(kind, method, None))]
    if missing:
        raise InputError(
            f"strategy {name!r} has no {' and no '.join(missing)}; expected the methods of {Strategy.__module__}"
        )
    return kind


def _first_line(kind: StrategyKind) -> str:
    return (kind.__doc__ or "").strip().split("\n")[0]
