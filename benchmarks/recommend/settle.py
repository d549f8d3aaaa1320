"""Whether the first choice stays the first with the models off, and at both ends of every range of prices.

Errors of models are those of `capacity.claims`: a GPU's times are within 15 % of published runs, or taken as within
30 % where its kernels are estimates, and an LPU's within 25 %. The first choice is held against the worst of it: its
own times are longer and those of all others shorter, each by its error.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ...backends.registry import get_backend
from ..capacity.claims import Variation, error_factors
from .records import Choice, Turn
from .search import Search, rank_by


def find_turns(search: Search, choices: Sequence[Choice]) -> Iterator[Turn]:
    """Yield what would make another the first: times that are off, then prices at an end of their ranges."""
    if choices:
        yield from _turn_times(search, choices[0].backend)
    if search.demand.measure == "usd" and choices:
        budget = search.demand.budget_usd_per_h
        others = search.ask(budget_usd_per_h=None).rank()[1:] if budget else choices[1:]
        yield from _turn_prices([choices[0], *(one for one in others if one.backend != choices[0].backend)], budget)


def _turn_times(search: Search, first: str) -> Iterator[Turn]:
    """The times of the first are longer and those of all others shorter, of those too that do not keep the demand."""
    # what runs on the same devices is off as they are
    bills = {name: search.bill_of(get_backend(name)) for name in search.demand.backends}
    devices = {name: {part.device for part in bill.parts} for name, bill in bills.items()}
    off = {name: 1 if own <= devices[first] else -1 for name, own in devices.items()}
    ranked = replace(search, off=off).rank(far=1, at_least=1, begin=first)
    if not ranked or ranked[0].backend != first:
        turned = ranked[0].backend if ranked else None
        faster = f" and {turned} {_say_error(turned)} faster" if turned else ""
        yield Turn("times", f"{first} {_say_error(first)} slower{faster} than simulated", turned)


def _say_error(name: str) -> str:
    return f"{100 * (max(error_factors(get_backend(name), Variation('', gpu=1, lpu=1))) - 1):.0f} %"


def _turn_prices(choices: Sequence[Choice], budget: float | None) -> Iterator[Turn]:
    """Each price alone at each end; where nothing turns, the first's at their high ends and another's at their low."""
    ranges = {part.device: part.price for one in choices for part in one.bill.parts
              if part.price is not None and part.price.low < part.price.high}  # fmt: skip
    alone = [{device: end} for device, price in ranges.items() for end in (price.low, price.high)]
    first, *others = choices
    highs = {device: ranges[device].high for device in _devices(first) if device in ranges}
    together = [{device: ranges[device].low for device in _devices(other) if device in ranges} | highs
                for other in others]  # fmt: skip
    for moved in (alone, together):
        turned = {_say_prices(prices): first_at(choices, prices, budget) for prices in moved}
        found = [Turn("prices", said, one) for said, one in turned.items() if one != first.backend]
        yield from found
        if found:
            return


def first_at(choices: Sequence[Choice], prices: Mapping[str, float], budget: float | None = None) -> str | None:
    """Return which backend is first at these prices of devices for a card or chip and hour, others as they are.

    budget: dollars an hour that it may cost at most. None is returned where each costs more.
    """
    known = [(cost, one) for one in choices if (cost := cost_at(one, prices)) is not None]
    kept = [replace(one, usd_per_h=cost) for cost, one in known if budget is None or cost <= budget]
    return min(kept, key=rank_by("usd")).backend if kept else None


def cost_at(choice: Choice, prices: Mapping[str, float]) -> float | None:
    """Return the dollars an hour of all servers of a choice at these prices; None where one is not known."""
    total = 0.0
    for part in choice.bill.parts:
        price = prices.get(part.device, part.price and part.price.usd_per_h)
        if price is None:
            return None
        total += choice.servers * part.units * price
    return total


def _devices(choice: Choice) -> list[str]:
    return [part.device for part in choice.bill.parts]


def _say_prices(prices: Mapping[str, float]) -> str:
    return " and ".join(f"{device} at {price:,.4g} USD" for device, price in prices.items())
