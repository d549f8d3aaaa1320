"""What would change the first choice: a price, more or fewer streams, a tighter latency, a larger tolerance.

Prices and streams follow from the servers that were found, without another simulation; a tighter latency and a larger
tolerance take a search each, and a device without a price one for its servers.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from .records import Changes, Choice, Elsewhere, PriceLimit, StreamRange
from .search import Search, rank_by
from .settle import cost_at

_MANY = 10**6  # streams, for which servers are counted so finely that the fullest way is the cheapest
_FURTHER = 10  # how many times more streams are looked at
_MOST_STEPS = 20_000  # numbers of streams that are looked at on each side
_LEAST_MORE = 0.01  # of a larger tolerance: twice what is asked for, and at least so much more


def find_changes(search: Search, choices: Sequence[Choice]) -> Changes:
    """Return what would change the first of the choices, which are sorted, best first."""
    return Changes(
        prices=tuple(_limit_prices(search, choices)) if search.demand.measure == "usd" else (),
        streams=follow_streams(search, choices),
        kept_s=choices[0].latency_s,
        sooner=_ask_sooner(search, choices[0]),
        looser=_ask_looser(search, choices[0]),
    )


def _limit_prices(search: Search, choices: Sequence[Choice]) -> Iterator[PriceLimit]:
    """The first's devices, above what; the runner-up's, below what; those without a price, below what."""
    first, *others = choices
    above = [one for other in others for one in compare_prices(first, other) if one.side == "above"]
    for device in dict.fromkeys(one.device for one in above):
        yield min((one for one in above if one.device == device), key=lambda one: one.limit_usd_per_h)
    for other in others[:1]:
        yield from (one for one in compare_prices(first, other) if one.side == "below")
    yield from _limit_unpriced(search, first)


def compare_prices(first: Choice, other: Choice) -> Iterator[PriceLimit]:
    """Yield the price of each device of the two beyond which `other` costs less than `first`, which now does not."""
    gap_usd = (cost_at(other, {}) or 0.0) - (cost_at(first, {}) or 0.0)
    prices = {part.device: part.price.usd_per_h for one in (first, other) for part in one.bill.parts if part.price}
    for device, price in prices.items():
        more = _count(other, device) - _count(first, device)
        limit = price - gap_usd / more if more else 0.0
        if limit > 0:
            yield PriceLimit(device, price, "below" if more > 0 else "above", limit, other.backend)


def _count(choice: Choice, device: str) -> int:
    """How many cards or chips of a device all servers of a choice have."""
    return choice.servers * sum(part.units for part in choice.bill.parts if part.device == device)


def _limit_unpriced(search: Search, first: Choice) -> Iterator[PriceLimit]:
    """The price of each device that has none below which its best backend would be first."""
    found = dict[str, PriceLimit]()
    free = search.ask(budget_usd_per_h=None)
    for candidate in free.open_all(cost=1.0):
        unpriced = dict.fromkeys(candidate.bill.unpriced)
        choice = free.find_best(candidate) if len(unpriced) == 1 else None
        if choice is not None:
            [device] = unpriced
            limit = ((first.usd_per_h or 0.0) - (cost_at(choice, {device: 0.0}) or 0.0)) / _count(choice, device)
            one = PriceLimit(device, None, "below", limit, choice.backend)
            if limit > 0:
                found[device] = max(found.get(device, one), one, key=lambda one: one.limit_usd_per_h)
    yield from found.values()


def follow_streams(search: Search, choices: Sequence[Choice]) -> StreamRange:
    """Return over which numbers of streams no other costs less than the first, with whole servers.

    Each backend is taken in the way in which a server of it carries most, which for many streams is the cheapest. The
    first can only change where one needs a server more or less, so only there it is looked at.
    """
    asked, first = search.demand.streams, choices[0].backend
    fullest = search.ask(streams=_MANY, budget_usd_per_h=None).rank(far=math.inf)
    choices = sorted(fullest, key=lambda one: one.backend != first)
    ranks = [rank_by(search.demand.measure)(one) for one in choices]
    usable = np.array([search.usable(one.streams_per_server) for one in choices])
    a_server = np.array([rank[0] / one.servers for rank, one in zip(ranks, choices, strict=True)])

    def find_turn(streams: list[int]) -> tuple[int, str] | None:
        """The first of these numbers for which another is first, and which."""
        costs = np.ceil(np.array(streams, dtype=float)[:, None] / usable) * a_server
        firsts = np.argmin(np.round(costs, 9), axis=1)  # of equal costs, that of the first
        return next(((n, choices[at].backend) for n, at in zip(streams, firsts, strict=True) if at), None)

    most = search.usable(choices[0].streams_per_server)
    up = [most * servers + 1 for servers in range(math.ceil(asked / most), _FURTHER * asked // most + 1)[:_MOST_STEPS]]
    fewer = {int(of) * n for of in usable for n in range(1, (asked - 1) // int(of) + 1)[-_MOST_STEPS:]}
    down = sorted(fewer, reverse=True)[:_MOST_STEPS]
    low, high = find_turn(down), find_turn(up)
    looked_from = down[-1] if len(down) == _MOST_STEPS else 1
    looked_to = up[-1] if len(up) == _MOST_STEPS else _FURTHER * asked
    return StreamRange(
        least=low[0] + 1 if low else looked_from,
        most=high[0] - 1 if high else looked_to,
        looked_from=looked_from,
        looked_to=looked_to,
        below=low[1] if low else None,
        above=high[1] if high else None,
    )


def _ask_sooner(search: Search, first: Choice) -> Elsewhere:
    """What is first at half the latency."""
    sooner = search.ask(latency_s=search.demand.latency_s / 2)
    ranked = sooner.rank(far=1, at_least=1, begin=first.backend)
    return Elsewhere(sooner.demand, ranked[0] if ranked else None)


def _ask_looser(search: Search, first: Choice) -> Elsewhere:
    """What costs less than the first with a larger tolerance of errors."""
    within = search.demand.wer_within
    looser = search.ask(wer_within=within + max(within, _LEAST_MORE))
    candidate = looser.open(first.backend)
    cost = first.servers * candidate.cost if candidate else 0.0
    ranked = looser.rank(far=1, at_least=1, most_cost=cost * (1 - 1e-6))
    return Elsewhere(looser.demand, ranked[0] if ranked else None)
