"""Endpoints that were asked: how they answered, as a table for the terminal and for pages."""

from collections.abc import Sequence

from ...results.endpoints import EndpointUse
from ...results.wording import figures, join_words, seconds
from .table import Table


def list_endpoints(found: Sequence[EndpointUse]) -> Table | None:
    """Return how each endpoint answered; None where none was asked."""
    columns = (
        "Endpoint", "Model", "Calls>", "Service 50 / 95 / 99 %>", "First call>", "Connecting>", "Connections>",
        "Requests>", "Failed", "Waits for rate limits>", "RTFx>", "Cost>",
    )  # fmt: skip
    about = (
        "Service: the wall clock of a call from here, failed requests and the waits between them included, waits for "
        "rate limits left out: calls are asked faster than speech would come. Connecting: the median of new "
        "connections, as part of the calls that opened them; the first call is among the others. RTFx: seconds of "
        "audio answered for each second of service."
    )
    rows = [
        (
            one.place, one.model, f"{one.calls:,}", " / ".join(map(seconds, (one.p50_s, one.p95_s, one.p99_s))),
            seconds(one.first_s), seconds(one.connect_p50_s), f"{one.connections:,}", f"{one.requests:,}",
            describe_failures(one), seconds(one.limited_s) if one.limited_s else "",
            "" if one.rtfx is None else figures(one.rtfx), "" if one.cost_usd is None else f"{one.cost_usd:.4f} USD",
        )
        for one in found
    ]  # fmt: skip
    return Table("Endpoints as they answered", columns, rows, about) if rows else None


def describe_failures(found: EndpointUse) -> str:
    """Return failed requests by kind, in words; empty where none failed."""
    kinds = [f"{times} {kind}" for kind, times in found.failures.items()]
    return join_words(kinds) if kinds else ""
