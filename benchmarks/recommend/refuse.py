"""Why a demand has no answer, and the nearest that has one.

Budget, latency and tolerance of errors are given up one at a time, each as little as can be; where none of them alone
is enough, two at a time, then all three. What the smallest number that works gives up is what fails. Where several work
one at a time, each part can be kept, but not all of them together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from ...backends.serving.capacity import trial
from ...backends.serving.simulate import verdict
from ..results.wording import join_words, stream_count
from .demand import Demand
from .records import Nearest, Refusal
from .search import SURE, Candidate, Search, Way

BUDGET, LATENCY, ERRORS = "budget", "latency", "word error rate"
PRICES, POWER, BACKENDS = "prices", "power", "backends"
_FREE = {BUDGET: ("budget_usd_per_h", None), LATENCY: ("latency_s", 1e9), ERRORS: ("wer_within", 1e9)}


def refuse(search: Search) -> Refusal:
    """Return why the demand of a search has no answer, with the nearest that has one."""
    parts = [name for name in _FREE if name != BUDGET or search.demand.budget_usd_per_h is not None]
    for size in range(1, len(parts) + 1):
        tried = [(given, _give_up(search, given)) for given in combinations(parts, size)]
        found = [(given, nearest) for given, nearest in tried if nearest is not None]
        if found:
            fails = tuple(name for name in parts if any(name in given for given, _ in found))
            together = size == 1 and len(found) > 1
            reasons = [_say(search, name, nearest) for given, nearest in found for name in given]
            if size > 1 and len(found) > 1:
                reasons = ["two of them have to give way"]
            reason = "; ".join(dict.fromkeys(reasons))
            return Refusal(fails, together, reason, tuple(nearest for _, nearest in found))
    return _refuse_backends(search)


def _give_up(search: Search, given: Sequence[str]) -> Nearest | None:
    """The nearest demand that gives up these parts alone, each as little as can be; None if there is none."""
    free = search.ask(**dict(_FREE[name] for name in given))
    if LATENCY in given:
        if (latency_s := _find_least_latency(free)) is None:
            return None
        search, free = (one.ask(latency_s=_round_up(latency_s / SURE, 2)) for one in (search, free))
    if ERRORS in given:
        if (wer := _find_least_errors(free)) is None:
            return None
        above = max(search.demand.wer_within, _round_up(wer - search.accuracy.best.wer, 4))
        search, free = (one.ask(wer_within=above) for one in (search, free))
    if BUDGET in given:
        cheapest = free.ask(measure="usd").rank(far=1, at_least=1)
        usd = cheapest[0].usd_per_h if cheapest else None
        search = search.ask(budget_usd_per_h=usd and _round_up(usd, 2))
    ranked = search.rank(far=1, at_least=1)
    return Nearest(tuple(given), search.demand, ranked[0]) if ranked else None


def _round_up(value: float, digits: int) -> float:
    """A value with so many digits after the point that is no less, so that what was found keeps it."""
    return round(math.ceil(value * 10**digits * (1 - 1e-10)) / 10**digits, digits)


def _find_least_latency(search: Search) -> float | None:
    """The least latency at which the rest of the demand is kept, by simulation; None if it never is."""
    least_s = math.inf
    for soonest_s, candidate, way in _list_ways(search, lambda way: search.soonest_s(way.heard)):
        if soonest_s >= least_s:
            break
        least_s = min(least_s, _find_latency(search, candidate, way))
    return None if least_s == math.inf else least_s


def _find_least_errors(search: Search) -> float | None:
    """The least word error rate with which the rest of the demand is kept; None if none is."""
    for wer, candidate, way in _list_ways(search, lambda way: way.heard.wer):
        if _find_latency(search, candidate, way) <= SURE * search.demand.latency_s:
            return wer
    return None


def _list_ways(search: Search, key: Callable[[Way], float]) -> list[tuple[float, Candidate, Way]]:
    """The ways of all backends that keep the demand as far as can be said without simulation, the least first."""
    ways = [(key(way), candidate, way) for candidate in search.open_all() for way in candidate.ways]
    return sorted(ways, key=lambda one: (one[0], one[2].least_cost))


def _find_latency(search: Search, candidate: Candidate, way: Way) -> float:
    """The latency of words where as few servers as the budget allows carry all streams; inf if they do not."""
    streams, stream = search.needed_for(candidate.most_servers), way.heard.stream
    call = stream.call(search.template)
    server = search.build_server(candidate.backend, call, way.most_streams) if streams <= way.most_streams else None
    if server is None:
        return math.inf
    outcome = trial(server, (replace(stream, streams=int(streams)),), search.demand.seed)
    return outcome.word_latency_s(search.demand.quantile) if verdict(outcome).valid else math.inf


def _say(search: Search, name: str, nearest: Nearest) -> str:
    """What is wrong with one part of the demand, in a sentence."""
    asked, streams = search.demand, stream_count(search.demand.streams)
    usd = nearest.choice.usd_per_h
    others = {
        BUDGET: f"the least that carries {streams} so costs {usd:,.2f} USD an hour"
        if usd is not None
        else "nobody named a price for what works, so it cannot be held against one",
        LATENCY: f"{100 * asked.quantile:g} % of words are shown within {nearest.demand.latency_s:g} s at the soonest",
        ERRORS: f"the word error rate is at least {100 * nearest.demand.wer_within:.4g} points above the best",
    }
    return others[name]


def _refuse_backends(search: Search) -> Refusal:
    """No server carries a stream, however late, wrong and dear: prices or powers are missing, or other backends are."""
    demand, preset = search.demand, Demand()
    holding = search.ask(**dict(_FREE.values())).open_all(cost=1.0)
    if demand.measure == "usd" and holding and all(one.bill.unpriced for one in holding):
        unpriced = dict.fromkeys(device for one in holding for device in one.bill.unpriced)
        powered = any(one.bill.power_w is not None for one in holding)
        instead = {"measure": "joules", "budget_usd_per_h": None} if powered else {}
        return _tell_instead(search, PRICES, f"nobody named a price for {join_words([*unpriced])}", instead)
    if demand.measure == "joules" and holding and all(one.bill.power_w is None for one in holding):
        priced = any(not one.bill.unpriced for one in holding)
        names = join_words([one.backend.name for one in holding])
        return _tell_instead(search, POWER, f"the power of {names} is not known", {"measure": "usd"} if priced else {})
    names = join_words([*dict.fromkeys(demand.backends)])
    does = "keeps up with a single stream" if holding else f"holds {demand.model}"
    others = {} if set(demand.backends) == set(preset.backends) else {"backends": preset.backends}
    return _tell_instead(search, BACKENDS, f"none of {names} {does}", others)


def _tell_instead(search: Search, fails: str, reason: str, changes: Mapping[str, object]) -> Refusal:
    """The refusal for what is no question of more or less, with what works where these parts are changed."""
    if not changes:
        return Refusal((fails,), False, reason, ())
    other = search.ask(**changes)
    ranked = other.rank(far=1, at_least=1)
    if ranked:
        return Refusal((fails,), False, reason, (Nearest((fails,), other.demand, ranked[0]),))
    more = refuse(other)
    nearest = tuple(replace(one, changed=(fails, *one.changed)) for one in more.nearest)
    either = f"one of {join_words(more.fails)} has to give way; " if more.together else ""
    return Refusal((fails, *more.fails), False, f"{reason}; {either}{more.reason}", nearest)
