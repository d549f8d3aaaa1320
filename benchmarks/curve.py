"""`earspan curve`: word error rate against the window, with intervals: what a longer piece of audio is worth."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..datasets import open_dataset
from ..datasets.recording import head
from ..speech.asr.attention import Attention
from ..speech.asr.transcriber import WINDOW_LIMIT_S
from ..speech.metrics.boundary import BoundaryErrors
from ..speech.metrics.normalise import normaliser_names
from ..speech.metrics.wer import ErrorRate, score_text
from ..speech.strategies import OFFLINE, make_strategy, step_of
from ..speech.streaming.clock import Job, no_time, play
from .curve_data import CurvePoint, CurveSeries, merged, read_curve, write_curve
from .curve_page import page
from .curve_text import print_series
from .options import (
    add_decoding_arguments,
    check_folder,
    check_windows,
    comma_list,
    engine_of,
    positive_seconds,
    recogniser_of,
    seconds_list,
    use_all_cores,
)
from .playing import WordTimes, digest_of, load_recordings
from .progress import stage
from .score_latency import boundary_over, listened
from .store import Reference, Run, track, write_whole

HELP = "word error rate against the window: the reference curve"
GRID_S = "1,2,3,4,5,6,8,10,12,15,20,25,30"  # the windows that every curve and every span is reported at


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan curve`."""
    add = parser.add_argument
    add("--model", default="tiny.en", help="an official Whisper or a checkpoint (default: tiny.en)")
    add("--dataset", default="talks-clean", metavar="NAME|PATH", help="default: talks-clean")
    add("--strategies", type=comma_list, default="offline,disjoint,sliding", metavar="A,B", help="default: %(default)s")
    add("--windows", type=seconds_list, default=GRID_S, metavar="S,S,...", help="default: %(default)s")
    add("--step", type=positive_seconds, default=1.0, metavar="S", help="of sliding windows (default: 1)")
    add("--head", type=positive_seconds, metavar="S", help="hear so much of each recording (default: all)")
    add("--at-most", type=positive_seconds, metavar="S", help="leave out recordings longer than this")
    add("--normaliser", default="whisper", choices=normaliser_names(), help="scoring rules (default: whisper)")
    add("--out", type=Path, default=Path("runs/curve"), metavar="FOLDER", help="default: runs/curve")
    add("--picture", type=Path, metavar="FILE", help="draw all that is in the folder's curve.json: .png, .svg or .html")
    add("--page", type=Path, metavar="FILE.md", help="write all of it as tables, beside what others published")
    add("--print", action="store_true", dest="only_print", help="hear nothing; print (and draw) what is there")
    add_decoding_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure what is missing, and print the curve. It is written after each window; run it again to go on."""
    path = args.out / "curve.json"
    failed = 0 if args.only_print else _measure(args, path)
    series = read_curve(path)
    for one in series:
        print_series(one)
    if args.page:
        write_whole(args.page, page(series))
    if args.picture:
        from .curve_chart import draw  # imports a chart library, which only a picture needs

        draw(series, args.picture)
    return 1 if failed else 0


def _measure(args: argparse.Namespace, path: Path) -> int:
    """Hear every window and write the curve. Returns how many recordings could not be read."""
    check_folder(args.out)
    check_windows(args.windows, WINDOW_LIMIT_S)
    settings = _settings(args)
    dataset = open_dataset(args.dataset)
    known = read_curve(path) if path.exists() else ()
    recogniser = recogniser_of(args)
    use_all_cores()
    engine = engine_of(args, recogniser)
    entries = [entry for entry in dataset if not args.at_most or entry.duration_s <= args.at_most]
    recordings, failed = load_recordings(entries)
    if args.head:
        recordings = [head(one, args.head) for one in WordTimes().fill(recordings, engine)]
    digest = digest_of(dataset, recordings)
    for strategy, window_s in settings:
        step_s = step_of(strategy, args.step)
        series = CurveSeries(
            model=recogniser.name,
            digest=recogniser.digest or recogniser.sha256,
            source=recogniser.source,
            engine=engine.version,
            decoding=args.decoding,
            dataset=dataset.name,
            dataset_digest=digest,
            audio_s=round(sum(one.duration_s for one in recordings), 2),
            head_s=args.head,
            recordings=tuple(one.id for one in recordings),
            units=tuple(one.speaker or one.id for one in recordings),
            strategy=strategy,
            step_s=step_s,
        )
        with stage(f"{recogniser.name}, {dataset.name}, {strategy} {window_s:g} s") as progress:
            jobs = [Job(one, make_strategy(strategy, window_s, step_s), no_time) for one in recordings]
            play(jobs, engine, progress, Attention.beside(engine), args.draft)
        known = merged(known, series.with_point(_point(jobs, series, window_s, args.normaliser)))
        write_curve(path, known)
    return len(failed)


def _settings(args: argparse.Namespace) -> list[tuple[str, float]]:
    """Strategies with windows, in the order in which they are heard: the ends first, then what lies between."""
    windows = spread(sorted(args.windows))
    settings = []
    for strategy in args.strategies:
        shortest = step_of(strategy, args.step) or 0.0
        chosen = [WINDOW_LIMIT_S] if strategy == OFFLINE else [w for w in windows if w >= shortest]
        settings += [(strategy, window_s) for window_s in chosen]
    for strategy, window_s in settings:
        make_strategy(strategy, window_s, step_of(strategy, args.step))
    return settings


def spread(values: Sequence[float]) -> list[float]:
    """The same values, the last first, then the first, then always the middle of the widest gap by place."""
    order, gaps = [len(values) - 1, 0][: len(values)], [(0, len(values) - 1)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return [values[place] for place in order]


def _point(jobs: Sequence[Job], series: CurveSeries, window_s: float, rules: str) -> CurvePoint:
    tracks = [track(job, series.strategy, window_s, series.step_s, None) for job in jobs]
    references = {job.recording.id: Reference.of(job.recording) for job in jobs}
    heard = Run({"settings": {"normaliser": rules}}, references, tracks)
    errors = [score_text(references[one.recording].text, one.text, rules) for one in tracks]
    timed = all(job.recording.words is not None for job in jobs)
    cuts = boundary_over(heard, listened(heard, tracks)) if timed else BoundaryErrors.zero()
    runs = [run for job in jobs for played in job.played for run in played.hypothesis.runs]
    return CurvePoint(
        window_s,
        tuple(errors),
        calls=sum(len(job.played) for job in jobs),
        encoder_passes=sum(run.encoded for run in runs),
        decoder_runs=len(runs),
        cut_words=cuts.curve[0] if cuts.curve else None,
        whole_words=sum(cuts.curve[1:], ErrorRate.zero()) if cuts.curve else None,
    )
