"""How fast the engine is beside the tools people would pick: `python -m earspan.benchmarks.engine_speed`.

Same weights, same windows, same greedy decoding in float32, all in one run, as ratios: openai-whisper's `decode` in a
loop, faster-whisper's batched pipeline, and this engine. Before that, what no engine could beat here. Then what drafts
save, what the cache saves, how cost grows with audio, how near the encoder comes to this machine's matrix
multiplication, and how much memory four hours take. On a busy machine: `--clock cpu --threads 1`.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..backends.errors import InputError, unknown
from ..datasets import Recording, open_dataset
from ..speech.asr.model import Recogniser, load_recogniser
from .engine_ceiling import encoder_rates, floors, gemm_peak
from .engine_compare import BARS, COUNTS, compare
from .engine_costs import CACHE_BAR, MEMORY_BAR_BYTES, cached, growth, memory
from .engine_drafts import BAR as PASSES_BAR
from .engine_drafts import TALKS, drafts
from .engine_windows import CLOCKS, Clock, Ratio, first_seconds
from .options import DEFAULT_MODEL, check_folder, comma_list, cores, positive_count, positive_seconds
from .store import environment, write_whole
from .tables import show_table

TALK_S = 60.0  # of each talk, for all but the section `all-talks`
Row = dict[str, Any]


class Bench:
    """What the sections share, each loaded when one first asks for it."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.clock: Clock = CLOCKS[args.clock]
        self.peak = gemm_peak(self.clock)
        self._began = time.monotonic()

    @cached_property
    def recogniser(self) -> Recogniser:
        return load_recogniser(self.args.model)

    @cached_property
    def talks(self) -> list[Recording]:
        return [entry.load() for entry in open_dataset("talks")]

    @property
    def heads(self) -> list[Recording]:
        return [first_seconds(talk, TALK_S) for talk in self.talks]

    def say(self, what: str) -> None:
        """Progress, on stderr."""
        print(f"[{time.monotonic() - self._began:5.0f} s] {what}", file=sys.stderr, flush=True)

    def floors(self) -> Iterator[Row]:
        yield from floors(self.recogniser, self.peak)

    def compare(self) -> Iterator[Row]:
        yield from compare(
            self.recogniser, self.heads, self.folder / "ct2", self.peak, self.clock,
            self.args.repeats, self.args.count, self.say, self.args.windows,
        )  # fmt: skip

    def drafts(self) -> Iterator[Row]:
        yield from drafts(self.recogniser, self.talks[:TALKS], self.clock)

    def all_talks(self) -> Iterator[Row]:
        yield from drafts(self.recogniser, self.talks, self.clock, (10.0,), slides=None)

    def cache(self) -> Iterator[Row]:
        yield from cached(self.recogniser, self.heads, self.folder / "cache", self.clock, self.args.repeats)

    def growth(self) -> Iterator[Row]:
        yield from growth(self.recogniser, self.heads, self.clock)

    def encoder(self) -> Iterator[Row]:
        yield from encoder_rates(self.recogniser, self.peak, self.clock)

    def memory(self) -> Iterator[Row]:
        yield from memory(self.args.model, self.args.hours, min(self.args.hours, self.args.hear_hours))


@dataclass(frozen=True, slots=True)
class Section:
    """A table: the rows of `Bench` that it shows, and how. A heading that ends in ">" is aligned to the right."""

    title: str
    rows: Callable[[Bench], Iterator[Row]]
    columns: dict[str, Callable[[Row], str]]
    asked: bool = False  # only where it is asked for by name


def _window(row: Row) -> str:
    return f"{row['window_s']:g} s"


_DRAFTS: dict[str, Callable[[Row], str]] = {
    "model": lambda r: r["model"],
    "window": _window,
    "calls>": lambda r: f"{r['calls']}",
    "passes>": lambda r: f"{r['passes']:.1f}",
    "with drafts>": lambda r: f"{r['passes_drafted']:.1f}",
    f"factor (bar {PASSES_BAR:g})>": lambda r: f"{r['factor']:.2f}",
    "of one text>": lambda r: f"{r['factor_of_one_text']:.2f}",
    "of a perfect recogniser>": lambda r: f"{r['factor_without_errors']:.1f}",
    "texts that differ>": lambda r: f"{r['differing_texts']}",
    "time saved>": lambda r: f"{r['time_factor']:.2f} x",
}
SECTIONS: dict[str, Section] = {
    "floors": Section("The least an encoder takes here: its arithmetic at the measured rate", Bench.floors, {
        "model": lambda r: r["model"],
        "GFLOP>": lambda r: f"{r['gflop']:.2f}",
        "least, ms a call>": lambda r: f"{r['floor_s'] * 1e3:.1f}",
    }),
    "compare": Section("Calls a second, and factors: the other's time over ours, with their range", Bench.compare, {
        "model": lambda r: r["model"],
        "window": _window,
        "engine": lambda r: r["engine"],
        "calls/s>": lambda r: f"{r['calls_per_s']:.2f}",
        "factor>": lambda r: str(r["factor"]),
        "bar>": lambda r: f"{r['bar']:g}" if r["bar"] else "-",
        "at most, at the peak>": lambda r: f"{r['at_most']:.1f}",
        "equal texts>": lambda r: f"{r['equal']}/{r['calls']}",
        "WER>": lambda r: f"{r['wer']:.1%}",
    }),
    "drafts": Section("Drafts, step 0.5 s: passes of the decoder a call", Bench.drafts, _DRAFTS),
    "cache": Section(f"Cache (bar {CACHE_BAR:g})", Bench.cache, {
        "calls>": lambda r: f"{r['calls']}",
        "window": _window,
        "step>": lambda r: f"{r['step_s']:g} s",
        "first>": lambda r: f"{r['first_s'] * 1e3:.0f} ms",
        "again>": lambda r: f"{Ratio.of(r['again_s']).middle * 1e3:.2f} ms",
        "factor>": lambda r: str(r["factor"]),
    }),
    "growth": Section("Cost, windows of 5 s", Bench.growth, {
        "audio>": lambda r: f"{r['times']} x",
        "seconds>": lambda r: f"{r['audio_s']:.0f}",
        "took>": lambda r: f"{r['seconds']:.2f} s",
        "a second of audio>": lambda r: f"{r['seconds_per_audio_s'] * 1e3:.2f} ms",
    }),
    "encoder": Section("Encoder, of the measured rate", Bench.encoder, {
        "model": lambda r: r["model"],
        "calls": lambda r: f"{r['calls']} x 30 s",
        "GFLOP/s>": lambda r: f"{r['gflops_per_s']:.0f}",
        "of peak>": lambda r: f"{r['of_peak']:.0%}",
    }),
    "memory": Section(f"Memory, the recording in memory (bar {MEMORY_BAR_BYTES / 1e9:g} GB)", Bench.memory, {
        "heard>": lambda r: f"{r['heard_s'] / 3600:.2f} h",
        "calls>": lambda r: f"{r['calls']}",
        "peak>": lambda r: f"{r['peak_bytes'] / 1e9:.2f} GB",
    }),
    "all-talks": Section("Drafts, whole talks, step 0.5 s", Bench.all_talks, _DRAFTS, asked=True),
}  # fmt: skip


def verdicts(found: dict[str, list[Row]]) -> Iterator[tuple[str, str, str]]:
    """What each bar comes to: the bar, the worst figure under it, and whether it is met."""
    for row in found.get("compare", ()):
        if row["bar"]:
            within = row["factor"].middle >= row["bar"]
            why = "" if within or row["at_most"] >= row["bar"] else f"; no engine can: at most {row['at_most']:.1f}"
            name = f"{row['model']}, {row['window_s']:g} s: {row['engine']}, {row['bar']:g} x"
            yield name, str(row["factor"]), ("met" if within else "MISSED") + why
    for key, bar in (("drafts", PASSES_BAR), ("all-talks", PASSES_BAR), ("cache", CACHE_BAR)):
        for row in found.get(key, ()):
            factor = row["factor"].middle if isinstance(row["factor"], Ratio) else row["factor"]
            name = f"{key}, {row['calls']} calls of {row['window_s']:g} s: {bar:g} x"
            yield name, f"{factor:.2f}", "met" if factor >= bar else "MISSED"
    for key in ("drafts", "all-talks"):
        if rows := found.get(key):
            differing = sum(row["differing_texts"] for row in rows)
            yield f"{key}: no text differs", f"{differing} differ", "MISSED" if differing else "met"
    if rows := found.get("memory"):
        most, heard_h = max(row["peak_bytes"] for row in rows), rows[-1]["heard_s"] / 3600
        name = f"memory, {heard_h:g} h heard: {MEMORY_BAR_BYTES / 1e9:g} GB"
        yield name, f"{most / 1e9:.2f} GB", "met" if most < MEMORY_BAR_BYTES else "MISSED"


def plain(value: Any) -> Any:
    """For JSON."""
    return asdict(value) if isinstance(value, Ratio) else str(value)


def _shown(rows: Iterable[Row], section: Section, kept: list[Row], say: Callable[[str], None]) -> Iterator[list[str]]:
    for row in rows:
        kept.append(row)
        cells = [render(row) for render in section.columns.values()]
        say("  ".join(cells))
        yield cells


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, and which bars are met."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--only", type=comma_list, metavar="A,B", help=f"{', '.join(SECTIONS)} (default: all but all-talks)")
    add("--clock", default="wall", choices=CLOCKS, help="wall, or cpu: processor time, for a busy machine")
    add("--threads", type=positive_count, default=cores(), help="of torch and of the rivals (default: every core)")
    add("--repeats", type=positive_count, default=3, help="times that each engine runs (default: 3)")
    add("--count", type=positive_count, default=99, metavar="N", help="at most so many windows of each length")
    add("--windows", type=lambda text: [positive_seconds(part) for part in comma_list(text)], default=list(COUNTS),
        metavar="S,...", help="windows to compare at, at most 30 s (default: 1,5,15,30)")  # fmt: skip
    add("--model", default=DEFAULT_MODEL, help=f"an official Whisper, or a checkpoint (default: {DEFAULT_MODEL})")
    add("--hours", type=positive_seconds, default=4.0, help="length of the recording of `memory` (default: 4)")
    add(
        "--hear-hours", type=positive_seconds, default=1e9, metavar="H", help="of which so much is heard (default: all)"
    )
    add("--out", type=Path, metavar="FOLDER", help="write engine_speed.json there: raw values")
    args = parser.parse_args(argv)
    try:
        for name in args.only or ():
            if name not in SECTIONS:
                raise unknown("section", name, SECTIONS)
        if args.out:
            check_folder(args.out)
    except InputError as error:
        parser.error(str(error))
    torch.set_num_threads(args.threads)
    found: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(args, Path(name))
        settings = f"{args.threads} threads, {args.clock} time, {args.repeats} repeats; torch {torch.__version__}"
        print(f"{settings}; matrix products in fp32: {bench.peak / 1e9:.0f} GFLOP/s\n", flush=True)
        for key, section in SECTIONS.items():
            if key in args.only if args.only else not section.asked:
                bench.say(section.title)
                found[key] = []
                cells = list(_shown(section.rows(bench), section, found[key], bench.say))
                show_table(section.title, tuple(section.columns), cells)
                sys.stdout.flush()
                if args.out:  # after each section: what is measured is not lost with what follows
                    _store(args, bench, found, time.monotonic() - began)
        show_table("Bars", ("bar", "found>", ""), verdicts(found))
    return 0


def _store(args: argparse.Namespace, bench: Bench, found: dict[str, list[Row]], elapsed_s: float) -> None:
    """Write the raw values of the sections so far."""
    args.out.mkdir(parents=True, exist_ok=True)
    stored = {
        "schema": 1,
        "environment": environment(elapsed_s),
        "settings": {key: value for key, value in vars(args).items() if key != "out"},
        "gemm_peak_flops": bench.peak,
        "bars": {**BARS, "passes": PASSES_BAR, "cache": CACHE_BAR, "memory_bytes": MEMORY_BAR_BYTES},
        "sections": found,
    }
    write_whole(args.out / "engine_speed.json", json.dumps(stored, indent=1, default=plain) + "\n")


if __name__ == "__main__":
    sys.exit(main())
