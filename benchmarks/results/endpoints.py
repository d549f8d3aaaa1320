"""How endpoints answered: percentiles of their times, failed requests by kind, connections, cost."""

from collections import Counter

import numpy as np

from ...backends.measured.records import ANSWERED, LIMITED, EndpointOptions, Measured
from .records import EndpointUse


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
