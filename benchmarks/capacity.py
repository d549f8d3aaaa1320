"""`earspan capacity`: how many live streams each backend carries at which window and latency, and at what cost."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..backends.errors import InputError
from ..backends.registry import get_backend
from ..backends.serving.arrivals import Load
from ..backends.serving.capacity import simulated_span
from ..backends.serving.cost import REFERENCES, Price, read_price
from ..backends.serving.fleet import Tier, demand_after
from ..backends.serving.server import BATCHING, MAX_BATCH
from ..backends.span import TOKENS_PER_S, span
from ..backends.timing import Backend
from ..backends.workload.models import resolve_dims
from ..backends.workload.workload import PADDINGS, Workload
from .capacity_claims import VARIATIONS, Claim, claims
from .capacity_page import render_capacity
from .capacity_study import Point, Slo, Study, batch_curve
from .capacity_words import sentences, show
from .options import check_folder, check_windows, comma_list, positive_count, positive_seconds, seconds_list, seed
from .other_users import WORKLOADS
from .other_users import show as show_others
from .progress import stage
from .report_data import Curve, Node
from .store import SCHEMA, command_typed, environment, read_json, write_whole

HELP = "streams, latency, WER, cost and energy of GPU, LPU and hybrid servers; the cheapest fleet"
BACKENDS = "l4,a100,h100,h200,groq-v1x16,groq-v1x64,h100+groq-v1x16"
DEFAULT_RUN = Path("runs/bench")
FLEET_SIZES = tuple(10**power for power in range(7))
PRICE_RATIOS = (0.5, 0.1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan capacity`."""
    add = parser.add_argument
    add("--timed-as", default="large-v3", metavar="SIZE", help="Whisper size that is served (default: large-v3)")
    add("--backends", type=comma_list, default=BACKENDS, metavar="A,B,...", help=f"default: {BACKENDS}")
    add("--price", type=comma_list, default=[], metavar="DEVICE=USD,...",
        help="dollars for a card or chip and hour: h100=2.5,groq-v1=0.4..2 (default: device files)")  # fmt: skip
    add("--wer", type=Path, metavar="RUN", help="stored run of earspan bench for WER by window (default: runs/bench)")
    add("--window", type=positive_seconds, default=10.0, metavar="S", help="window where latency varies (default: 10)")
    add("--latency", type=positive_seconds, default=2.0, metavar="S",
        help="latency of 99 of 100 words where the window varies (default: 2)")  # fmt: skip
    add("--windows", type=seconds_list, default="2,5,10,15,20,30", metavar="S,S,...", help="windows compared")
    add("--latencies", type=seconds_list, default="0.15,0.3,0.5,1,2,4,8", metavar="S,S,...", help="latencies compared")
    add("--streams", type=positive_count, default=8, help="streams whose span is simulated as well (default: 8)")
    add("--step", type=positive_seconds, default=1.0, metavar="S", help="their step (default: 1)")
    add("--tiers", type=comma_list, default="free=0.9:4,premium=0.1:0.5", metavar="NAME=SHARE:S[:WER],...",
        help="parts of a fleet's streams, what each is promised, the most WER (default: %(default)s)")  # fmt: skip
    add("--elasticity", type=float, metavar="E", help="price elasticity of demand: what cheaper hours do to all work")
    add("--padding", default="full", choices=PADDINGS, help="pad calls to 30 s, or fit them (default: full)")
    add("--activity", type=float, default=1.0, metavar="PART", help="part of the time that is speech (default: 1)")
    add("--skip-silence", action="store_true", help="no calls while nobody speaks")
    add("--batching", choices=BATCHING, help="how GPUs form batches (default: as their runtime does)")
    add("--max-batch", type=positive_count, default=MAX_BATCH, help=f"default: {MAX_BATCH}")
    add("--max-wait", type=float, default=0.0, metavar="S", help="a call's wait for others (default: 0)")
    add("--seed", type=seed, default=0, help="seed of phases and jitter (default: 0)")
    add("--out", type=Path, default=Path("runs/capacity"), metavar="FOLDER", help="default: runs/capacity")
    add("--workload", default="captions", choices=WORKLOADS,
        help="who else asks: captions of live speech (default), speech synthesis, an agent's nested calls")  # fmt: skip
    add("--json", action="store_true", help="print results.json instead of tables")


def run(args: argparse.Namespace) -> int:
    """Run the study. Everything given is checked before the work starts."""
    began = time.monotonic()
    if args.workload != "captions":
        backends, prices = list(map(get_backend, args.backends)), dict(map(read_price, args.price))
        return show_others(args.workload, backends, prices, seed=args.seed, as_json=args.json)
    check_folder(args.out)
    check_windows([*args.windows, args.window], 30.0)
    curve, wer_source = _wer_curve(args.wer)
    study = _study(args, curve)
    shares = _shares(args.tiers, args.window, args.windows, curve)
    if args.elasticity is not None:
        demand_after(1.0, args.elasticity)
    by_latency = [Slo(args.window, latency_s) for latency_s in args.latencies]
    by_window = [Slo(window_s, args.latency) for window_s in args.windows]
    slos = list(dict.fromkeys([*by_latency, *by_window]))
    with stage("capacities, as modelled and with the models off") as progress:
        found = claims(study, slos, progress)
    points = [study.best(backend, slo) for slo in slos for backend in study.backends]
    with stage("fleets"):
        fleets, no_fleet = _fleets(study, shares)
    spans = [_spans(backend, study, args) for backend in study.backends]
    results = {
        "schema": SCHEMA,
        "benchmark": "capacity",
        "command": command_typed(),
        "timed_as": args.timed_as,
        "timed_padding": args.padding,
        "wer_source": wer_source,
        "settings": _settings(args),
        "prices": _prices(study),
        "break_even": _break_even(study, Slo(args.window, args.latency)),
        "references": [asdict(reference) for reference in REFERENCES],
        "points": [point.record() for point in points],
        "claims": [_claim(claim) for claim in found],
        "variations": [variation.name for variation in VARIATIONS],
        "batches": [batch_curve(backend, study) for backend in study.backends],
        "spans": spans,
        "fleets": fleets,
        "no_fleet": no_fleet,
        "elasticity": _elasticities(args.elasticity),
    }
    results["summary"] = sentences(results)
    results["environment"] = environment(time.monotonic() - began)
    args.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1)
    write_whole(args.out / "results.json", text)
    write_whole(args.out / "capacity.html", render_capacity(results))
    print(text) if args.json else show(results, args.out)
    return 0


def _study(args: argparse.Namespace, curve: Curve | None) -> Study:
    from .time import _checkpoint_dims

    prices: dict[str, Price] = dict(map(read_price, args.price))
    template = Workload(resolve_dims(args.timed_as, _checkpoint_dims), padding=args.padding)
    load = Load(1, args.window, min(1.0, args.window), activity=args.activity, skip_silence=args.skip_silence)
    backends = [get_backend(name) for name in args.backends]
    rest = args.max_batch, args.max_wait, args.batching, args.seed
    return Study(backends, template, load, prices, curve, *rest)


def _wer_curve(given: Path | None) -> tuple[Curve | None, dict[str, Any]]:
    """The WER of sliding windows in a stored run, and what it is of."""
    folder = given or DEFAULT_RUN
    if given is None and not (folder / "results.json").exists():
        print(f"no run in {folder}: WER is left out; earspan bench makes one, --wer names another", file=sys.stderr)
        return None, {}
    results = read_json(folder / "results.json")
    root = Node(results, "")
    curves = [Curve.read(node) for node in root.children("curves")]
    curve = next((one for one in curves if one.strategy == "sliding" and one.points), None)
    if curve is None:
        raise InputError(f"{folder}: no WER of sliding windows; earspan bench --out {folder} measures it")
    date = root.child("environment").text("date")
    named = {"model": root.text("model"), "dataset": root.child("dataset").text("name"), "date": date}
    points = [{"window_s": point.window_s, "wer": point.score.wer} for point in curve.points]
    return curve, {**named, "run": folder.name, "step_s": curve.step_s, "points": points}


Shares = list[tuple[str, float, Slo, float | None]]


def _shares(given: Sequence[str], window_s: float, windows_s: Sequence[float], curve: Curve | None) -> Shares:
    """Tiers as (name, share, slo, most WER); a WER asks for the shortest window that has it."""
    found: Shares = []
    for text in given:
        name, _, rest = text.partition("=")
        try:
            share, latency_s, *most = (float(part) for part in rest.split(":"))
        except ValueError:
            raise InputError(f"tier {text!r}; expected NAME=SHARE:LATENCY_S[:WER], as premium=0.1:0.5") from None
        if not name or len(most) > 1 or not 0 < share <= 1 or not latency_s > 0 or name in [tier[0] for tier in found]:
            raise InputError(f"tier {text!r}; expected a name of its own, a share of at most 1, and a latency above 0")
        wer, heard_s = (most[0] if most else None), window_s
        if wer is not None:
            if curve is None:
                raise InputError(f"tier {text!r} asks for a WER; type --wer RUN for a run that has measured it")
            known = {one: curve.wer_at(one) for one in sorted(windows_s)}
            fitting = [one for one, rate in known.items() if rate is not None and rate <= wer]
            if not fitting:
                best = min((rate for rate in known.values() if rate is not None), default=None)
                least = "none was measured" if best is None else f"the least is {best:.3f}"
                raise InputError(f"tier {text!r}: no window has that WER; {least}")
            heard_s = fitting[0]
        found.append((name, share, Slo(heard_s, latency_s), wer))
    if abs(sum(share for _, share, _, _ in found) - 1) > 1e-6:
        raise InputError(f"shares of --tiers add up to {sum(tier[1] for tier in found):g}; expected 1")
    return found


def _fleets(study: Study, shares: Shares) -> tuple[list[dict[str, Any]], str]:
    """The cheapest fleet for one stream up to a million, or why there is none."""
    slos = {name: slo for name, _, slo, _ in shares}
    found = []
    for size in FLEET_SIZES:
        counts = _apportioned(size, [share for _, share, _, _ in shares])
        tiers = [
            Tier(name, count, slo.latency_s, wer) for count, (name, _, slo, wer) in zip(counts, shares, strict=True)
        ]
        try:
            fleet = study.fleet(tiers, slos)
        except InputError as error:
            return found, str(error)
        groups = [
            {"backend": group.option.name, "servers": group.servers, "streams": dict(group.streams)}
            for group in fleet.groups
        ]
        found.append(
            {"streams": size, "usd_per_h": fleet.usd_per_h, "usd_per_audio_h": fleet.usd_per_h / size,
             "groups": groups, "checked": fleet.checked, "notes": list(fleet.notes)}
        )  # fmt: skip
    return found, ""


def _apportioned(size: int, shares: Sequence[float]) -> list[int]:
    """Whole streams by tier that add up to `size`: rounded down, the rest to the largest remainders."""
    exact = [share * size for share in shares]
    counts = [int(part + 1e-9) for part in exact]
    order = sorted(range(len(shares)), key=lambda index: counts[index] - exact[index])
    for index in order[: size - sum(counts)]:
        counts[index] += 1
    return counts


def _spans(backend: Backend, study: Study, args: argparse.Namespace) -> dict[str, Any]:
    """The span as the planner has it, with all streams due at once, and as simulated, with phases of their own."""
    planned = span(backend, study.template.dims, step_s=args.step, streams=args.streams, padding=args.padding)
    load = replace(study.load, streams=args.streams, step_s=args.step, window_s=max(args.step, 1.0))
    simulated_s, limited_by = simulated_span(backend, study.template, load)
    return {"backend": backend.name, "streams": args.streams, "step_s": args.step, "planned_s": planned.span_s,
            "simulated_s": simulated_s, "limited_by": limited_by}  # fmt: skip


def _prices(study: Study) -> list[dict[str, Any]]:
    seen: dict[str, dict[str, Any]] = {}
    for bill in study.bills.values():
        for part in bill.parts:
            price = asdict(part.price) if part.price else None
            seen[part.device] = {"device": part.device, "price": price, "power_w": part.power_w}
    return list(seen.values())


def _break_even(study: Study, slo: Slo) -> list[dict[str, Any]]:
    """The price at which each backend without one would cost as much as the cheapest that has one."""
    points = [study.best(backend, slo) for backend in study.backends]
    priced = [(point.usd_per_audio_h, point.backend) for point in points if point.usd_per_audio_h is not None]
    found = []
    for point in points if priced else []:
        usd, against = min(priced)
        bill = study.bills[point.backend]
        price = bill.break_even_usd_per_h(point.streams, usd) if point.streams else None
        if price is not None:
            row = {"backend": point.backend, "device": bill.unpriced[0], "against": against, "usd_per_h": price}
            found.append({**row, "window_s": slo.window_s, "slo_s": slo.latency_s})
    return found


def _claim(claim: Claim) -> dict[str, Any]:
    best: Point | None = claim.by
    return {
        "window_s": claim.slo.window_s,
        "slo_s": claim.slo.latency_s,
        "measure": claim.measure,
        "answer": claim.answer,
        "backend": best.backend if best else None,
        "figures": claim.figures,
        "settled": claim.settled,
        "others": claim.others,
    }


def _elasticities(elasticity: float | None) -> list[dict[str, Any]]:
    values = (0.5, 1.0, 1.5) if elasticity is None else (elasticity,)
    return [{"elasticity": e, "price_ratio": r, **asdict(demand_after(r, e))} for e in values for r in PRICE_RATIOS]


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    names = ("window", "latency", "padding", "activity", "skip_silence", "batching", "max_batch", "max_wait", "seed")
    return {name: getattr(args, name) for name in names} | {"tokens_per_s": TOKENS_PER_S, "tiers": list(args.tiers)}
