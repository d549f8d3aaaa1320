"""`earspan time`: how long one batch of Whisper calls takes on one backend, and why."""

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..backends.errors import unknown
from ..backends.footing import footings
from ..backends.gpu.runtimes import DEFAULT, FORMATS, RUNTIMES
from ..backends.registry import get_backend
from ..backends.schedules import write_trace
from ..backends.span import TOKENS_PER_S
from ..backends.timing import Timing
from ..backends.workload.models import resolve_dims
from ..backends.workload.whatif import read_decoder
from ..backends.workload.workload import PADDINGS, Workload
from .options import positive_seconds
from .tables import show_table

HELP = "predict the time of one Whisper call on one device"
WEIGHTS = [f"{stored}{half}" for stored in FORMATS for half in ("", "enc", "dec")]
FIGURES = ("flops", "weight_bytes", "read_bytes", "write_bytes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan time`."""
    parser.add_argument("--model", default="large-v3", help="Whisper size or checkpoint (default: %(default)s)")
    parser.add_argument("--backend", default="h100", help="device, as `earspan devices` lists them (default: h100)")
    parser.add_argument(
        "--audio", type=positive_seconds, default=30.0, metavar="S", help="seconds of audio (default: 30)"
    )
    parser.add_argument("--padding", default="full", choices=PADDINGS, help="pad audio to 30 s, or fit it")
    parser.add_argument("--tokens", type=int, metavar="N", help="decode steps (default: 3.3 per second of audio)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="calls served together (default: 1)")
    parser.add_argument(
        "--runtime", choices=RUNTIMES, help=f"how a GPU is driven (default: that of the name, else {DEFAULT})"
    )
    parser.add_argument("--weights", choices=WEIGHTS, help="how weights are stored, enc and dec: of one half only")
    parser.add_argument("--beam", type=int, default=1, metavar="N", help="texts of a beam search (default: 1, greedy)")
    parser.add_argument("--dtype", default="fp16", choices=("fp16", "fp32"), help="arithmetic (default: fp16)")
    parser.add_argument("--schedule", type=Path, metavar="OUT.json", help="write an LPU's schedule as a Perfetto trace")
    parser.add_argument(
        "--decoder",
        metavar="WHAT-IF",
        help="a decoder that does not exist: moe:experts=8,active=2,skew=1 or diffusion:steps=8,block=32,first=0.1",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the prediction for one batch of calls."""
    dims = resolve_dims(args.model, _checkpoint_dims)
    backend = get_backend("-".join(part for part in (args.backend, args.runtime, args.weights) if part))
    tokens = math.ceil(TOKENS_PER_S * args.audio) if args.tokens is None else args.tokens
    work = Workload(dims, args.batch, args.audio, args.padding, decode_tokens=tokens, dtype=args.dtype, beam=args.beam)
    decoder = read_decoder(args.decoder) if args.decoder else None
    work = decoder.of(work) if decoder else work
    timing = backend.time(work)
    footing = footings(backend, work)
    if args.schedule:
        write_trace(backend, work, args.schedule)
    totals = _totals(work)
    if args.json:
        workload = {**asdict(work), "ops": [{"phase": p, "kind": k, **t} for (p, k), t in totals.items()]}
        answer = {"model": args.model, "backend": args.backend, "describe": backend.describe()}
        answer["footing"] = [asdict(one) for one in footing]
        answer["decoder"] = asdict(decoder) if decoder else None
        print(json.dumps({**answer, "timing": asdict(timing), "workload": workload}, indent=2))
        return 0
    name = f"{args.model} with a decoder that does not exist ({decoder.kind})" if decoder else args.model
    _report(name, backend.describe(), work, timing, totals)
    print()
    for one in footing:
        print(f"stands on   {one.line}")
    return 0


def _checkpoint_dims(name: str) -> Any:
    from ..speech.asr.model import (  # torch and whisper take seconds that official sizes need not
        checkpoint_dims,
        model_names,
    )

    dims = checkpoint_dims(name)
    if dims is None:
        raise unknown("model", name, model_names())
    return dims


def _totals(work: Workload) -> dict[tuple[str, str], dict[str, float]]:
    """Number of operations, FLOPs and bytes by (phase, kind)."""
    totals: dict[tuple[str, str], dict[str, float]] = {}
    for op in work.ops():
        total = totals.setdefault((op.phase, op.kind), dict.fromkeys(("ops", *FIGURES), 0))
        total["ops"] += op.count
        for figure in FIGURES:
            total[figure] += op.count * getattr(op, figure)
    return totals


def _report(model: str, device: str, work: Workload, timing: Timing, totals: dict[tuple[str, str], Any]) -> None:
    calls = f"{work.batch} calls of" if work.batch > 1 else "one call,"
    print(f"{model}: {calls} {work.audio_s:g} s, {work.padding} padding, {work.decode_tokens} decode steps, "
          f"{f'beam {work.beam}' if work.beam > 1 else 'greedy'}")  # fmt: skip
    print(f"on {device}\n")
    factor = work.batch * work.audio_s / timing.seconds
    print(f"ceiling     {timing.ceiling_s * 1e3:.3f} ms (speed of light: peak arithmetic, nominal bandwidth)")
    prediction = f"{timing.seconds * 1e3:.3f} ms, {factor:.1f} x real time"
    print(f"prediction  {prediction} (simulated; {timing.provenance})")
    if timing.interval_s < timing.seconds:
        print(f"interval    {timing.interval_s * 1e3:.3f} ms to the next batch: calls are pipelined over chips")
    print(f"bound       {timing.bound}\n")
    parts = [[phase, f"{s * 1e3:.3f}", f"{s / timing.seconds:.0%}"] for phase, s in timing.phases.items()]
    show_table("Prediction by phase", ("phase", "ms>", "part>"), parts)
    print()
    rows = []
    for (phase, kind), total in totals.items():
        moved = sum(total[figure] for figure in FIGURES[1:])
        rows.append([phase, kind, str(total["ops"]), f"{total['flops'] / 1e9:,.2f}", f"{moved / 1e6:,.1f}"])
    columns = ("phase", "kind", "operations>", "GFLOP>", "MB moved>")
    show_table("Workload, as the openai-whisper modules run it", columns, rows)
