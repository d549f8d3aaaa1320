"""How many requests may be made of an endpoint, and what they may cost."""

import threading
from dataclasses import dataclass, field

from ..errors import InputError
from .records import EndpointOptions


class BudgetError(InputError):
    """The next request would be one too many, or too dear."""


@dataclass(slots=True)
class Budget:
    """Requests counted against what is allowed; several threads may share it.

    requests, audio_s: that were made, with the seconds that are billed for them, failed ones among them.
    """

    options: EndpointOptions
    requests: int = 0
    billed_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def cost_usd(self) -> float | None:
        """What the requests cost, if every one of them is billed; None where no price is stated."""
        price = self.options.usd_per_minute
        return None if price is None else self.billed_s / 60 * price

    def spend(self, audio_s: float) -> None:
        """Count a request before it is made. Raises `BudgetError` where it is not allowed, and counts nothing then."""
        options = self.options
        billed_s = max(audio_s, options.billed_at_least_s)
        with self._lock:
            if options.max_requests is not None and self.requests >= options.max_requests:
                raise BudgetError(f"{self.requests} requests are made, and --max-requests {options.max_requests}")
            cost_usd = (self.billed_s + billed_s) / 60 * (options.usd_per_minute or 0.0)
            if options.max_cost_usd is not None and cost_usd > options.max_cost_usd:
                raise BudgetError(
                    f"the next request would bring the cost to {cost_usd:.4f} USD, and --max-cost "
                    f"{options.max_cost_usd:g}"
                )
            self.requests += 1
            self.billed_s += billed_s
