"""The cheapest fleet of servers for streams of several tiers: a mixed-integer programme, checked by simulation.

Minimise sum_j price_j x_j over servers x_j (integers) and streams y_jt of tier t on servers of kind j, with
sum_j y_jt = demand_t, and sum_t y_jt / capacity_jt <= x_j: a server that carries half of what it could of one tier has
room for half of what it could of another. That is an assumption, as tiers on one server wait for each other; so the
fullest server of each kind is simulated with its mix, and a kind that fails is kept to one tier a server.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError


@dataclass(frozen=True, slots=True)
class Tier:
    """Streams with the same service-level objective (SLO).

    streams: how many. latency_s: what 99 of 100 words must keep. wer: the word error rate must be at most this.
    """

    name: str
    streams: int
    latency_s: float
    wer: float | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A kind of server. usd_per_h: of one. capacity: by tier how many streams it carries; 0 or absent: none."""

    name: str
    usd_per_h: float
    capacity: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Group:
    """Servers of one kind in a fleet. streams: on all of them together, by tier."""

    option: Option
    servers: int
    streams: Mapping[str, int]

    @property
    def fullest(self) -> dict[str, int]:
        """The streams by tier on the server that has the most of each."""
        return {tier: math.ceil(count / self.servers) for tier, count in self.streams.items() if count}


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet that meets the demand. checked: whether every group was simulated. notes: what that changed."""

    groups: tuple[Group, ...]
    usd_per_h: float
    checked: bool = False
    notes: tuple[str, ...] = ()

    @property
    def servers(self) -> int:
        """The number of servers of all kinds."""
        return sum(group.servers for group in self.groups)


# given a kind of server and the streams by tier on one of them: whether it carries them
Check = Callable[[str, Mapping[str, int]], bool]


def cheapest_fleet(tiers: Sequence[Tier], options: Sequence[Option], check: Check | None = None) -> Fleet:
    """Return the cheapest fleet for all tiers; `InputError` names a tier that no server can serve.

    check: simulates one server with a mix of tiers. A kind that fails with a mix is split into one kind for each tier;
    one that fails with a single tier is taken to carry 2 % less, until all pass. None leaves the check out.
    """
    for tier in tiers:
        if tier.streams < 0:
            raise InputError(f"tier {tier.name}: {tier.streams} streams given; expected 0 or more")
        if tier.streams and not any(option.capacity.get(tier.name, 0) for option in options):
            wer = "" if tier.wer is None else f" and {tier.wer:.1%} WER"
            raise InputError(
                f"tier {tier.name}: no server keeps {tier.latency_s:g} s{wer}; allow more, or add a backend"
            )
    options, notes = list(options), []
    while True:
        fleet = _solve(tiers, options)
        if check is None:
            return fleet
        failing = next((g for g in fleet.groups if not check(g.option.name.partition(" for ")[0], g.fullest)), None)
        if failing is None:
            return replace(fleet, checked=True, notes=tuple(notes))
        at = options.index(failing.option)
        options[at : at + 1], note = _without(failing)
        notes.append(note)


def _without(group: Group) -> tuple[list[Option], str]:
    """Return the options that replace the one that failed its simulation, and a note that says why."""
    option, name = group.option, group.option.name
    held = {tier: count for tier, count in option.capacity.items() if count}
    if len(held) > 1:
        split = [Option(f"{name} for {tier}", option.usd_per_h, {tier: count}) for tier, count in held.items()]
        return split, f"{name}: tiers do not go together on one server; each has its own"
    (tier, count) = next(iter(held.items()))
    fewer = min(count - 1, math.floor(count * 0.98))
    return [
        replace(option, capacity={tier: fewer})
    ], f"{name}: {count} streams are too many in the check; {fewer} taken"


def _solve(tiers: Sequence[Tier], options: Sequence[Option]) -> Fleet:
    from scipy.optimize import Bounds, LinearConstraint, milp  # half a second that other commands need not wait

    kinds, classes = len(options), len(tiers)
    prices = np.array([option.usd_per_h for option in options])
    room = np.array([[option.capacity.get(tier.name, 0) for tier in tiers] for option in options], float)
    demand = np.array([tier.streams for tier in tiers], float)
    # variables: servers of each kind, then streams of each kind and tier
    size = kinds + kinds * classes
    rows = np.zeros((classes + kinds, size))
    for kind in range(kinds):
        mine = kinds + kind * classes + np.arange(classes)
        rows[np.arange(classes), mine] = 1
        rows[classes + kind, mine] = 1 / np.maximum(room[kind], 1)
        rows[classes + kind, kind] = -1
    # Any: scipy takes arrays of bounds, which its annotations leave out
    lowest: Any = np.concatenate((demand, np.full(kinds, -np.inf)))
    highest: Any = np.concatenate((demand, np.zeros(kinds)))
    least: Any = np.zeros(size)
    most: Any = np.concatenate((np.full(kinds, np.inf), np.where(room > 0, demand, 0).ravel()))
    found = milp(
        np.concatenate((prices, np.zeros(kinds * classes))),
        constraints=LinearConstraint(rows, lowest, highest),
        bounds=Bounds(least, most),
        integrality=np.ones(size),
        options={"mip_rel_gap": 1e-6, "time_limit": 10.0},
    )
    if found.x is None:
        raise InputError(f"no fleet found: {found.message}")
    counts = np.round(found.x).astype(int)
    groups = [
        Group(
            option,
            int(counts[kind]),
            {tier.name: int(counts[kinds + kind * classes + at]) for at, tier in enumerate(tiers)},
        )
        for kind, option in enumerate(options)
        if counts[kind]
    ]
    return Fleet(tuple(groups), float(sum(group.servers * group.option.usd_per_h for group in groups)))


@dataclass(frozen=True, slots=True)
class Elasticity:
    """What a change of price does to demand, if demand = constant * price ** -elasticity; all relative to before.

    audio, spend: hours of audio, and dollars spent on them.
    work: hours of devices, if the price fell because a device does more in an hour.
    """

    audio: float
    spend: float
    work: float


def demand_after(price_ratio: float, elasticity: float) -> Elasticity:
    """Return the demand at `price_ratio` times the price, with constant price elasticity.

    audio = r ** -e, spend = r ** (1 - e), and as an hour of audio then takes r times the device hours, work is
    r ** (1 - e) as well: below 1 for e < 1, above 1 for e > 1, which is Jevons' paradox (The Coal Question, 1865).
    """
    if not (price_ratio > 0 and elasticity >= 0):
        raise InputError(f"price ratio {price_ratio:g}, elasticity {elasticity:g}; expected above 0, and at least 0")
    return Elasticity(price_ratio**-elasticity, price_ratio ** (1 - elasticity), price_ratio ** (1 - elasticity))
