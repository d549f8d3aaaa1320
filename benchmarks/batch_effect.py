"""What a batch buys on each device: `python -m earspan.benchmarks.batch_effect --out batch.html`, a table and a figure.

Tokens per second of the decode steps as a part of the most that the device reaches, against the calls that are decoded
together: DRAM wants a batch in the hundreds, SRAM around ten. Also for decoders that do not exist (--decoder).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..backends.errors import InputError
from ..backends.registry import get_backend
from ..backends.timing import Backend, CapacityError
from ..backends.workload.models import resolve_dims
from ..backends.workload.whatif import read_decoder
from ..backends.workload.workload import Workload
from .markup import el
from .options import comma_list
from .report import closed_page
from .tables import show_table
from .xy_chart import Axis, Frame, Point, Series, xy_figure

SIZES = tuple(2**power for power in range(11))
TOKENS = 99
MOST = 0.9
_ABOUT = "Simulated decode steps alone; a row ends where the memory does. Decoders other than Whisper's do not exist."


@dataclass(frozen=True, slots=True)
class Effect:
    """Tokens per second by calls decoded together, of the decode steps alone.

    Sizes that the memory does not hold are not there. capped: whether memory, not speed, ends the row.
    """

    backend: str
    tokens_per_s: tuple[tuple[int, float], ...]
    capped: bool

    @property
    def most(self) -> float:
        """The most tokens per second."""
        return max(speed for _, speed in self.tokens_per_s)

    @property
    def enough(self) -> int:
        """The smallest batch that reaches nine tenths of it."""
        return next(size for size, speed in self.tokens_per_s if speed >= MOST * self.most)


def effect(backend: Backend, call: Workload, tokens: int) -> Effect | None:
    """The row of one backend; None if it cannot hold one call. tokens: that each call makes."""
    found: list[tuple[int, float]] = []
    for size in SIZES:
        try:
            timing = backend.time(replace(call, batch=size))
        except CapacityError:
            break
        found.append((size, size * tokens / timing.phases["decode"]))
    return Effect(backend.name, tuple(found), len(found) < len(SIZES)) if found else None


def figure(title: str, panels: dict[str, Sequence[Effect]]) -> str:
    """A self-contained page with one frame for each decoder."""
    names = dict.fromkeys(row.backend for rows in panels.values() for row in rows)
    styles = {name: number for number, name in enumerate(names)}

    def series(row: Effect) -> Series:
        points = tuple(_point(row, size, speed) for size, speed in row.tokens_per_s)
        return Series(row.backend, styles[row.backend], points)

    frames = [Frame(heading, tuple(map(series, rows))) for heading, rows in panels.items()]
    chart = xy_figure(
        title, frames, Axis("calls decoded together", logarithmic=True), Axis("% of the most", factor=100)
    )
    return closed_page(title, [el("h1", title), chart, el("p", _ABOUT)])


def _point(row: Effect, size: int, speed: float) -> Point:
    title = f"{row.backend}, {size} calls: {speed:,.0f} tokens/s"
    return Point(size, speed / row.most, title, solid=speed >= MOST * row.most)


def main(argv: list[str] | None = None) -> int:
    """Print the table, and write the figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--model", default="large-v3", help="Whisper size (default: large-v3)")
    add("--backends", type=comma_list, default="h100,h200,groq-v1x72,lp30x64", metavar="A,B,...")
    add("--decoders", nargs="*", default=["moe:experts=8,active=2", "diffusion:steps=8,block=32"], metavar="WHAT-IF",
        help="beside Whisper's own (default: %(default)s)")  # fmt: skip
    add("--out", type=Path, help="HTML file to write")
    args = parser.parse_args(argv)
    try:
        call = Workload(resolve_dims(args.model), decode_tokens=TOKENS)
        calls = {"Whisper's decoder": call} | {text: read_decoder(text).of(call) for text in args.decoders}
        panels = {
            name: [row for row in (effect(get_backend(one), work, TOKENS) for one in args.backends) if row]
            for name, work in calls.items()
        }
    except InputError as error:
        print(f"batch_effect: {error}", file=sys.stderr)
        return 2
    rows = [
        [name, row.backend, f"{row.tokens_per_s[0][1]:,.0f}", f"{row.most:,.0f}", str(row.enough),
         "memory" if row.capped else "speed"]
        for name, found in panels.items() for row in found
    ]  # fmt: skip
    columns = ("decoder", "backend", "tokens/s alone>", "at most>", "batch for 90 %>", "ended by")
    show_table(f"What a batch buys: {args.model}, decode steps alone, simulated", columns, rows)
    if args.out:
        args.out.write_text(figure("What a batch buys", panels), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
