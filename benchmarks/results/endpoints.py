"""How endpoints answered: percentiles of their times, failed requests by kind, connections, cost."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ...backends.measured.records import ANSWERED, LIMITED, EndpointOptions, Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointUse:
    """How one endpoint answered.

    place, model: host and path of its URL, and the model's name there.
    concurrency: calls under way at once.
    calls, asked_now: distinct calls, and how many of them were made by this run; the others had been answered before.
    requests, failures: all that were made for them, and those that failed, by kind (`backends.measured.records.KINDS`).
    p50_s, p95_s, p99_s: wall clock of a call, without what rate limits took.
    first_s: of the first of all calls, which often warms the server up; it is one of the others too.
    connections, connect_p50_s: that were opened, and how long that took, as part of the calls that opened them.
    limited_s: what rate limits took: refused requests, and waiting as told.
    audio_s, rtfx: seconds of audio that were sent, and for each second of service.
    cost_usd: of all requests, if each is billed; None where no price was stated.
    first_at, last_at: when calls were made, in UTC.
    """

    backend: str
    place: str
    model: str
    concurrency: int
    calls: int
    asked_now: int
    requests: int
    failures: dict[str, int]
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    first_s: float | None
    connections: int
    connect_p50_s: float | None
    limited_s: float
    audio_s: float
    rtfx: float | None
    sent_bytes: int
    received_bytes: int
    cost_usd: float | None
    first_at: str | None
    last_at: str | None


def sum_up(measured: Measured, options: EndpointOptions) -> EndpointUse:
    """Return what the calls of one endpoint come to. options: of the experiment, for the price."""
    exchanges = sorted(measured.exchanges, key=lambda one: one.asked_at)
    attempts = [attempt for one in exchanges for attempt in one.attempts]
    opened = [attempt.connect_s for attempt in attempts if not attempt.reused]
    failures = Counter(attempt.kind for attempt in attempts if attempt.kind != ANSWERED)
    services_s = [one.service_s for one in exchanges]
    p50_s, p95_s, p99_s = (
        (float(value) for value in np.percentile(services_s, [50, 95, 99])) if exchanges else [None] * 3
    )
    billed_s = sum(max(one.audio_s, options.billed_at_least_s) * len(one.attempts) for one in exchanges)
    audio_s = sum(one.audio_s for one in exchanges)
    return EndpointUse(
        backend=measured.backend,
        place=measured.place,
        model=measured.model,
        concurrency=measured.concurrency,
        calls=len(exchanges),
        asked_now=measured.asked_now,
        requests=len(attempts),
        failures=dict(failures.most_common()),
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        first_s=services_s[0] if exchanges else None,
        connections=len(opened),
        connect_p50_s=float(np.median(opened)) if opened else None,
        limited_s=sum(one.wall_s - one.service_s for one in exchanges) if failures[LIMITED] else 0.0,
        audio_s=audio_s,
        rtfx=audio_s / sum(services_s) if sum(services_s) else None,
        sent_bytes=sum(one.sent_bytes for one in exchanges),
        received_bytes=sum(one.received_bytes for one in exchanges),
        cost_usd=billed_s / 60 * options.usd_per_minute if options.usd_per_minute is not None else None,
        first_at=exchanges[0].asked_at if exchanges else None,
        last_at=exchanges[-1].asked_at if exchanges else None,
    )
