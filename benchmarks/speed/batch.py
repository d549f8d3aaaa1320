"""What a batch buys on each device: tokens per second of decode steps, against the calls that are decoded together.

DRAM wants a batch in the hundreds, SRAM around ten. Also for decoders that do not exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import altair

from ...backends.registry import get_backend
from ...backends.timing import Backend, CapacityError
from ...backends.workload.models import resolve_dims
from ...backends.workload.whatif import read_decoder
from ...backends.workload.workload import Workload
from ..report.page import Figure, el, render_page

SIZES = tuple(2**power for power in range(11))
TOKENS = 99
MOST = 0.9
_ABOUT = "Simulated decode steps alone; a row ends where the memory does. Decoders other than Whisper's do not exist."


@dataclass(frozen=True, slots=True)
class Effect:
    """Tokens per second by calls decoded together, of the decode steps alone.

    Sizes that the memory does not hold are not there. ended_by: memory or speed, whichever ends the row.
    """

    backend: str
    tokens_per_s: tuple[tuple[int, float], ...] = field(repr=False)
    ended_by: str

    @property
    def tokens_per_s_alone(self) -> float:
        return self.tokens_per_s[0][1]

    @property
    def tokens_per_s_at_most(self) -> float:
        return max(speed for _, speed in self.tokens_per_s)

    @property
    def batch_for_90_percent(self) -> int:
        return next(size for size, speed in self.tokens_per_s if speed >= MOST * self.tokens_per_s_at_most)


def batch_effects(model: str, backends: Sequence[str], decoders: Sequence[str]) -> dict[str, list[Effect]]:
    """Return the rows of Whisper's own decoder, and of each what-if beside it. Raises `InputError` for what is not."""
    call = Workload(resolve_dims(model), decode_tokens=TOKENS)
    calls = {"Whisper's decoder": call} | {text: read_decoder(text).of(call) for text in decoders}
    return {
        name: [row for backend in backends if (row := batch_effect(get_backend(backend), work))]
        for name, work in calls.items()
    }


def batch_effect(backend: Backend, call: Workload, tokens: int = TOKENS) -> Effect | None:
    """Return the row of one backend; None if it cannot hold one call. tokens: that each call makes."""
    found: list[tuple[int, float]] = []
    for size in SIZES:
        try:
            timing = backend.time(replace(call, batch=size))
        except CapacityError:
            break
        found.append((size, size * tokens / timing.phases["decode"]))
    return Effect(backend.name, tuple(found), "memory" if len(found) < len(SIZES) else "speed") if found else None


def batch_page(title: str, panels: Mapping[str, Sequence[Effect]]) -> str:
    """Return a self-contained page with one chart for each decoder: tokens per second as a part of the most."""
    charts = [_chart(heading, rows) for heading, rows in panels.items()]
    return render_page(title, [el("h1", title), Figure("Tokens per second, % of the most", _ABOUT, charts)])


def _chart(heading: str, rows: Sequence[Effect]) -> altair.LayerChart:
    values = [
        {"backend": row.backend, "calls": size, "tokens": speed, "percent": 100 * speed / row.tokens_per_s_at_most}
        for row in rows
        for size, speed in row.tokens_per_s
    ]
    lines = altair.Chart(altair.Data(values=values)).mark_line(point=True).encode(
        altair.X("calls:Q", title="calls decoded together", scale=altair.Scale(type="log", base=2)),
        altair.Y("percent:Q", title="% of the most"),
        altair.Color("backend:N"),
        tooltip=["backend:N", "calls:Q", altair.Tooltip("tokens:Q", title="tokens/s", format=",.0f")],
    )  # fmt: skip
    enough = altair.Chart(altair.Data(values=[{"percent": 100 * MOST}])).mark_rule(style="guide").encode(y="percent:Q")
    return altair.LayerChart(layer=[lines, enough]).properties(title=heading, width=300, height=260)
