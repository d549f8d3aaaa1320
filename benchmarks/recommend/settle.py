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
    if search.demand.measure == "usd" and len(choices) > 1:
        yield from _turn_prices(choices)


def _turn_times(search: Search, first: str) -> Iterator[Turn]:
    """The times of the first are longer and those of all others shorter, of those too that do not keep the demand."""
    off = dict.fromkeys(search.demand.backends, -1) | {first: 1}
    ranked = replace(search, off=off).rank(far=1, at_least=1)
    if not ranked or ranked[0].backend != first:
        turned = ranked[0].backend if ranked else None
        faster = f" and {turned} {_say_error(turned)} faster" if turned else ""
        yield Turn("times", f"{first} {_say_error(first)} slower{faster} than simulated", turned)


def _say_error(name: str) -> str:
    return f"{100 * (max(error_factors(get_backend(name), Variation('', gpu=1, lpu=1))) - 1):.0f} %"


def _turn_prices(choices: Sequence[Choice]) -> Iterator[Turn]:
    """Each price alone at each end; where nothing turns, the first's at their high ends and another's at their low."""
    ranges = {part.device: part.price for one in choices for part in one.bill.parts
              if part.price is not None and part.price.low < part.price.high}  # fmt: skip
    alone = [{device: end} for device, price in ranges.items() for end in (price.low, price.high)]
    first, *others = choices
    highs = {device: ranges[device].high for device in _devices(first) if device in ranges}
    together = [{device: ranges[device].low for device in _devices(other) if device in ranges} | highs
                for other in others]  # fmt: skip
    for moved in (alone, together):
        found = [Turn("prices", _say_prices(prices), turned)
                 for prices in moved if (turned := first_at(choices, prices).backend) != first.backend]  # fmt: skip
        yield from found
        if found:
            return


def first_at(choices: Sequence[Choice], prices: Mapping[str, float]) -> Choice:
    """Return which is first at these prices of devices for a card or chip and hour, others as they are."""
    return min(choices, key=lambda one: rank_by("usd")(replace(one, usd_per_h=cost_at(one, prices))))


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
