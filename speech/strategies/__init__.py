"""Ways of cutting live audio into calls. A strategy knows no clock, no model and no score.

It is a generator: it yields a `Call`, is sent the `Heard` transcript of that call, and commits words. What is
committed is never taken back. So the same strategy runs against any backend, and any recogniser.
"""

from .alignatt import AlignAtt
from .base import Call, Heard, Strategy
from .disjoint import Disjoint
from .overlapping import Overlapping
from .prompted import Prompted
from .registry import LOOKING_INSIDE, OFFLINE, STEPPING, check_asks_for_text, make_strategy, step_of, strategy_names
from .sequential import Offline, Sequential
from .sliding import Sliding
from .steps import OVERLOADS, check_overload
from .vad import Vad

__all__ = [
    "LOOKING_INSIDE",
    "OFFLINE",
    "OVERLOADS",
    "STEPPING",
    "AlignAtt",
    "Call",
    "Disjoint",
    "Heard",
    "Offline",
    "Overlapping",
    "Prompted",
    "Sequential",
    "Sliding",
    "Strategy",
    "Vad",
    "check_asks_for_text",
    "check_overload",
    "make_strategy",
    "step_of",
    "strategy_names",
]
