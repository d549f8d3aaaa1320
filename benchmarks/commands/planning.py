"""The commands that ask the device models alone: time, devices."""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...backends.devices.device import Device
from ...backends.devices.files import device_names, load_device
from ...backends.footing import list_footings
from ...backends.gpu.runtimes import DEFAULT, FORMATS, RUNTIMES
from ...backends.measured.here import Here
from ...backends.measured.profile import CALLS_FOR_P99
from ...backends.registry import get_backend
from ...backends.schedules import write_trace
from ...backends.span import TOKENS_PER_S
from ...backends.timing import Timing
from ...backends.validation.sensitivity import Sensitivity, measure_sensitivity
from ...backends.workload.whatif import read_decoder
from ...backends.workload.workload import PADDINGS, Workload
from ...speech.weights.dims import find_dims
from ..calibration.validation import show_validation
from ..report.terminal import show_table
from .options import positive_seconds

WEIGHTS = [f"{stored}{half}" for stored in FORMATS for half in ("", "enc", "dec")]
FIGURES = ("flops", "weight_bytes", "read_bytes", "write_bytes")


def add_time_arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--sensitivity", action="store_true", help="how much the time depends on assumed figures")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run_time(args: argparse.Namespace) -> int:
    """Print the prediction for one batch of calls."""
    dims = find_dims(args.model)
    name_of_backend = "-".join(part for part in (args.backend, args.runtime, args.weights) if part)
    backend = get_backend(name_of_backend)
    tokens = math.ceil(TOKENS_PER_S * args.audio) if args.tokens is None else args.tokens
    work = Workload(dims, args.batch, args.audio, args.padding, decode_tokens=tokens, dtype=args.dtype, beam=args.beam)
    decoder = read_decoder(args.decoder) if args.decoder else None
    work = decoder.of(work) if decoder else work
    timing = backend.time(work)
    footing = list_footings(backend, work)
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
    print(f"{name}: {_describe_calls(work)}\non {backend.describe()}\n")
    if isinstance(backend, Here):
        _print_measured(backend, work, timing)
    else:
        _print_simulated(work, timing, totals)
        print()
    for one in footing:
        print(f"stands on   {one.line}")
    if args.sensitivity:
        _print_sensitivity(measure_sensitivity(name_of_backend, work))
    return 0


def _print_sensitivity(found: Sequence[Sensitivity]) -> None:
    rows = [
        [one.device, one.figure, f"{one.value:g}", f"{one.least:g} to {one.largest:g}", one.unit,
         f"{one.at_least_s * 1e3:.3f}", f"{one.at_largest_s * 1e3:.3f}", f"{one.spread:.1%}"]
        for one in found
    ]  # fmt: skip
    columns = ("device", "figure", "value>", "range>", "unit", "ms at least>", "ms at largest>", "spread>")
    print()
    show_table("How much the time depends on assumed figures", columns, rows)


def _totals(work: Workload) -> dict[tuple[str, str], dict[str, float]]:
    """Number of operations, FLOPs and bytes by (phase, kind)."""
    totals: dict[tuple[str, str], dict[str, float]] = {}
    for op in work.ops():
        total = totals.setdefault((op.phase, op.kind), dict.fromkeys(("ops", *FIGURES), 0))
        total["ops"] += op.count
        for figure in FIGURES:
            total[figure] += op.count * getattr(op, figure)
    return totals


def _describe_calls(work: Workload) -> str:
    calls = f"{work.batch} calls of" if work.batch > 1 else "one call,"
    search = f"beam {work.beam}" if work.beam > 1 else "greedy"
    return f"{calls} {work.audio_s:g} s, {work.padding} padding, {work.decode_tokens} decode steps, {search}"


def _print_measured(backend: Here, work: Workload, timing: Timing) -> None:
    """Print what was measured of calls like these, from what, and where every value is."""
    profile = backend.model_of(work.dims).profile
    print(f"time        {_tell_time(work, timing, digits=1)} (measured, not simulated)")
    calls = len(profile.calls)
    longest = "the longest" if calls < CALLS_FOR_P99 else "the 99th percentile"
    print(f"p99         {timing.p99_s * 1e3:.1f} ms, as {longest} of {calls} equal calls is above their median\n")
    rows = []
    for phase, seconds in timing.phases.items():
        points = profile.of_phase(phase)
        if points:
            counts, spread = sorted({len(point.seconds) for point in points}), max(point.spread for point in points)
            values = "-".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
            rows.append([phase, f"{seconds * 1e3:.2f}", f"{seconds / timing.seconds:.0%}", str(len(points)), values,
                         f"{spread:.0%}"])  # fmt: skip
    columns = ("phase", "ms>", "part>", "points measured>", "values of each>", "spread to>")
    show_table("By phase: medians, on straight lines between points (batch, length)", columns, rows)
    print("\nheard       cuts of the first talk of talks-clean, texts kept from ending before all steps were made")
    print(f"all values  {backend.profile_path(work.dims)}")
    for warning in profile.warnings:
        print(f"warning     {warning}")


def _tell_time(work: Workload, timing: Timing, digits: int) -> str:
    return f"{timing.seconds * 1e3:.{digits}f} ms, {work.batch * work.audio_s / timing.seconds:.1f} x real time"


def _print_simulated(work: Workload, timing: Timing, totals: dict[tuple[str, str], Any]) -> None:
    print(f"ceiling     {timing.ceiling_s * 1e3:.3f} ms (speed of light: peak arithmetic, nominal bandwidth)")
    print(f"prediction  {_tell_time(work, timing, digits=3)} (simulated; {timing.provenance})")
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


def add_devices_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan devices`."""
    parser.add_argument("name", nargs="?", help="a device, or the path of a device file (.toml)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--validation", action="store_true", help="print how far the models are off measured kernels and published runs"
    )


def run_devices(args: argparse.Namespace) -> int:
    """Print the table of devices, or all figures of the one that is named."""
    if args.validation:
        return show_validation([args.name] if args.name else device_names(), as_json=args.json)
    if args.name is not None:
        device = load_device(args.name)
        _print_json(_record(device)) if args.json else _show_device(device)
        return 0
    devices = [load_device(name) for name in device_names()]
    if args.json:
        _print_json([_record(device) for device in devices])
        return 0
    columns = (
        "name",
        "kind",
        "device",
        "fp16 peak (dense)>",
        "memory>",
        "bandwidth>",
        "USD/h>",
        "timing figures",
    )
    show_table("Devices (fp16; bandwidth of the memory that holds the weights)", columns, map(_device_row, devices))
    print("\nA GPU takes a runtime and how weights are stored (int8enc, int8dec: of one half only): h100-trtllm-int8")
    rows = [[f"{one.name} (default)" if one.name == DEFAULT else one.name, one.about, one.fitted_on]
            for one in RUNTIMES.values()]  # fmt: skip
    show_table("Runtimes of GPUs", ("runtime", "what it is", "host costs are from"), rows)
    print("\nAn LPU takes a number of chips: groq-v1x16. For every figure and its source: earspan devices NAME")
    return 0


def _record(device: Device) -> dict[str, object]:
    figures = {key: asdict(figure) for key, figure in device.figures.items()}
    kernels = {key: {"basis": kernel.basis, "source": kernel.source} for key, kernel in device.kernels.items()}
    head = {"name": device.name, "title": device.title, "kind": device.kind}
    return {**head, "figures": figures, "kernels": kernels, "validation": [dict(row) for row in device.validation]}


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def _device_row(device: Device) -> list[str]:
    price = f"{device['price']:.2f}" if "price" in device.figures else "-"
    if device.kind != "lpu":
        peak, memory, bandwidth = device["fp16_peak"], device["memory"], device["memory_bandwidth"]
        basis = device.basis(*device.kernels) if device.kernels else "roofline only"
    else:
        clock = device["clock"]
        peak = 2 * device["matrix_depth"] * device["matrix_width"] * device["matrix_units"] * clock
        memory, bandwidth, basis = device["sram_usable"], device["weight_load"] * clock, "estimate"
    sizes = [f"{peak / 1e12:.0f} TFLOP/s", f"{memory / 1e9:.1f} GB", f"{bandwidth / 1e9:,.0f} GB/s"]
    return [device.name, device.kind, device.title, *sizes, price, basis]


def _show_device(device: Device) -> None:
    rows = [
        [key, f"{figure.value:g}", figure.unit, figure.density, figure.basis, figure.source]
        for key, figure in device.figures.items()
    ]
    for key, kernel in device.kernels.items():
        rows.append([f"kernel {key}", f"{kernel.floor_s * 1e6:g}", "us floor", "", kernel.basis, kernel.source])
    show_table(device.title, ("figure", "value>", "unit", "density", "basis", "source"), rows)
