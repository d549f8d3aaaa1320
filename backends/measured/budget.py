"""How many requests may be made of an endpoint, and what they may cost."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import InputError
from .records import EndpointOptions


class BudgetError(InputError):
    """The next request would be one too many, or too dear."""


@dataclass(slots=True)
class Budget:
    """Requests counted against what is allowed; several threads may share it.

    requests, billed_s: that were made, with the seconds that are billed for them, failed ones among them.
    """

    options: EndpointOptions
    requests: int = 0
    billed_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def cost_usd(self) -> float | None:
        """What the requests cost, if every one of them is billed; None where no price is stated."""
        return self._cost_usd(self.billed_s)

    def foresee(self, audio_s: Sequence[float], what: str) -> tuple[float, float | None]:
        """Return the seconds that are billed for so many requests, and what they cost, before they are made.

        audio_s: of each of them.
        what: makes them, as a message names it.

        The cost is None where no price is stated. Raises `BudgetError` where not all of them are allowed.
        """
        billed_s = sum(max(one_s, self.options.billed_at_least_s) for one_s in audio_s)
        with self._lock:
            self._check(len(audio_s), billed_s, what)
        return billed_s, self._cost_usd(billed_s)

    def spend(self, audio_s: float) -> None:
        """Count a request before it is made. Raises `BudgetError` where it is not allowed, and counts nothing then."""
        billed_s = max(audio_s, self.options.billed_at_least_s)
        with self._lock:
            self._check(1, billed_s, "the next request")
            self.requests += 1
            self.billed_s += billed_s

    def _check(self, requests: int, billed_s: float, what: str) -> None:
        options, made = self.options, self.requests
        if options.max_requests is not None and made + requests > options.max_requests:
            raise BudgetError(
                f"{what} would bring the requests to {made + requests}, and --max-requests {options.max_requests}"
            )
        cost_usd = self._cost_usd(self.billed_s + billed_s) or 0.0
        if options.max_cost_usd is not None and cost_usd > options.max_cost_usd:
            raise BudgetError(
                f"{what} would bring the cost to {cost_usd:.4f} USD, and --max-cost {options.max_cost_usd:g}"
            )

    def _cost_usd(self, billed_s: float) -> float | None:
        price = self.options.usd_per_minute
        return None if price is None else billed_s / 60 * price
