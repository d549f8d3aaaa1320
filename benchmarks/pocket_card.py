"""The figures of the model card of `pocket`, measured: WER by window and voice, homophones, silence, noise, speed.

    python -m earspan.benchmarks.pocket_card                           # every recording of talks
    python -m earspan.benchmarks.pocket_card --out pocket-card.json --real ../shared/data/speech/manifest.jsonl

Windows are disjoint, words normalised by openai-whisper's English rules; intervals (95 %) are bootstrapped over
recordings.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from whisper.audio import SAMPLE_RATE

from ..backends.errors import InputError
from ..datasets import Recording, open_dataset
from ..datasets.acoustics import AUDIBLE_HZ, coloured_noise
from ..speech.align import DELETION, INSERTION, SUBSTITUTION
from ..speech.cache import TranscriptCache, default_cache_path
from ..speech.engine import Clip, Engine
from ..speech.model import load_recogniser
from ..speech.pocket.natural import homophone_groups
from ..speech.regimes import normalise
from ..speech.score import ErrorRate, aligned_words, score_text, wer_interval
from ..speech.strategies import make_strategy
from ..speech.stream import Job, no_time, play
from .options import positive_count, seconds_list, use_all_cores
from .playing import load_recordings
from .progress import stage
from .store import write_whole
from .summary import interval, percent

WINDOWS_S = "1,2,3,5,8,12,20,30"
HALVES = ("talks-clean", "talks-noisy")
EMPTY_WINDOWS_S = (1.0, 2.0, 5.0, 10.0, 30.0)
EMPTY_WINDOWS = 40  # of each kind and length
SLOPES = {"white": 0.0, "pink": 0.5, "brown": 1.0}  # see `coloured_noise`


def heard(recordings: Sequence[Recording], engine: Engine, window_s: float, title: str) -> dict[str, str]:
    """The transcript of each recording by its id, heard in disjoint windows."""
    jobs = [Job(recording, make_strategy("disjoint", window_s, None), no_time) for recording in recordings]
    with stage(title) as progress:
        play(jobs, engine, progress)
    return {job.recording.id: job.text for job in jobs}


def row(rates: Sequence[ErrorRate]) -> dict[str, Any]:
    """Pooled counts with their interval, as in results.json."""
    return {**sum(rates, ErrorRate.zero()).to_json(), "wer_ci95": wer_interval(rates)}


def one_word_homophones() -> dict[str, frozenset[str]]:
    """For each word that sounds like others, all that sound like it, itself included, as the normaliser writes them."""
    groups: dict[str, frozenset[str]] = {}
    for group in homophone_groups():
        written = frozenset(w for w in (normalise(word) for word in group) if w and " " not in w)
        if len(written) > 1:
            groups.update((word, groups.get(word, frozenset()) | written) for word in written)
    return groups


def homophone_errors(references: Sequence[str], hypotheses: Sequence[str], every: bool = False) -> list[ErrorRate]:
    """Of the words of each reference that have homophones, how many are written as one of those: as substitutions.

    every: count those written as any other word, too, and those left out, as deletions.
    """
    groups = one_word_homophones()
    rates = [ErrorRate.zero()] * len(references)
    for index, said, written, steps in aligned_words(references, hypotheses):
        at_said = at_written = wrong = missing = words = 0
        for step in steps.tolist():
            if step != INSERTION:
                if alike := groups.get(said[at_said]):
                    words += 1
                    wrong += step == SUBSTITUTION and (every or written[at_written] in alike)
                    missing += step == DELETION and every
                at_said += 1
            at_written += step != DELETION
        rates[index] = ErrorRate(wrong, missing, 0, words)
    return rates


def empty_windows(count: int = EMPTY_WINDOWS, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Kind and samples of windows without speech: digital silence, and noise at 60 to 10 dB below full scale.

    count: of each kind of noise and each length; silence is always the same, so once.
    """
    rng = np.random.default_rng(seed)
    for window_s in EMPTY_WINDOWS_S:
        samples = round(window_s * SAMPLE_RATE)
        yield "silence", np.zeros(samples, np.float32)
        for _ in range(count):
            for kind, slope in SLOPES.items():
                loudness = np.float32(10 ** (-rng.uniform(10, 60) / 20))
                yield kind, np.clip(loudness * coloured_noise(rng, samples, slope, AUDIBLE_HZ), -1, 1)


@dataclass(frozen=True, slots=True)
class Hallucination:
    """What was written where nobody spoke: windows, windows with any text, words, seconds of audio."""

    windows: int
    with_text: int
    words: int
    audio_s: float


def hallucinations(engine: Engine, count: int = EMPTY_WINDOWS) -> dict[str, Hallucination]:
    """What is written into silence and each kind of noise."""
    kinds, clips = zip(*empty_windows(count), strict=True)
    texts = [found.text.split() for found in engine.transcribe([Clip(audio) for audio in clips])]
    return {
        kind: Hallucination(
            len(mine), sum(bool(texts[i]) for i in mine), sum(len(texts[i]) for i in mine),
            sum(len(clips[i]) for i in mine) / SAMPLE_RATE,
        )
        for kind in dict.fromkeys(kinds)
        for mine in [[i for i, other in enumerate(kinds) if other == kind]]
    }  # fmt: skip


def decode_s(recordings: Sequence[Recording]) -> list[float]:
    """CPU seconds that one thread takes for the first 30 s of each recording, alone: from samples to text."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        engine = Engine(load_recogniser("pocket"))
        clips = [Clip(recording.audio[: 30 * SAMPLE_RATE]) for recording in recordings]
        engine.transcribe([Clip(clips[0].audio[::-1].copy())])  # warms up on something else
        taken = []
        for clip in clips:
            began = time.thread_time()
            engine.transcribe([clip])
            taken.append(time.thread_time() - began)
    finally:
        torch.set_num_threads(threads)
    return taken


def measure(
    windows_s: Sequence[float], halves: Sequence[str], real: str | None, model: str, empty: int
) -> dict[str, Any]:
    """All figures of the card, as JSON."""
    use_all_cores()
    # Opened before anything is heard: a name that is wrong is to cost nothing.
    opened = {half: open_dataset(half) for half in halves}
    real_speech = open_dataset(real) if real else None
    engine = Engine(load_recogniser(model), cache=TranscriptCache(default_cache_path()))
    result: dict[str, Any] = {"model": model, "model_sha256": engine.recogniser.sha256, "halves": {}}
    every: list[Recording] = []
    for half in halves:
        recordings, _ = load_recordings(opened[half])
        every += recordings
        references = [recording.text for recording in recordings]
        table: dict[str, Any] = {"wer": {}, "homophones": {}, "at_homophones": {}, "by_recording": {}}
        for window_s in windows_s:
            texts = heard(recordings, engine, window_s, f"{half}, windows of {window_s:g} s")
            hypotheses = [texts[recording.id] for recording in recordings]
            rates = [score_text(r, h) for r, h in zip(references, hypotheses, strict=True)]
            table["wer"][f"{window_s:g}"] = row(rates)
            table["homophones"][f"{window_s:g}"] = row(homophone_errors(references, hypotheses))
            table["at_homophones"][f"{window_s:g}"] = row(homophone_errors(references, hypotheses, every=True))
            table["by_recording"][f"{window_s:g}"] = {
                r.id: {"voice": r.speaker, **rate.to_json()} for r, rate in zip(recordings, rates, strict=True)
            }
        result["halves"][half] = table
    result["without_speech"] = {
        kind: {"windows": h.windows, "with_text": h.with_text, "words": h.words, "audio_s": h.audio_s}
        for kind, h in hallucinations(engine, empty).items()
    }
    if model == "pocket":
        result["one_thread_30_s_cpu_s"] = decode_s(every)
    if real_speech is not None:
        recordings, _ = load_recordings(real_speech)
        texts = heard(recordings, engine, 8.0, "real speech, windows of 8 s")
        result["real"] = row([score_text(r.text, texts[r.id]) for r in recordings])
    return result


def cell(entry: dict[str, Any]) -> str:
    """A rate with its interval, as tables show it."""
    return f"{percent(entry['wer'])} {interval(entry['wer_ci95'])}"


def markdown(card: dict[str, Any]) -> str:
    """The card's tables."""
    halves = card["halves"]
    windows = list(next(iter(halves.values()))["wer"])
    lines = ["| window | " + " | ".join(f"{half}: WER, S / D / I | homophone errors" for half in halves) + " |"]
    lines.append("| ---: |" + " --- | --- |" * len(halves))
    for window in windows:
        cells = []
        for table in halves.values():
            rate = table["wer"][window]
            counts = f"{rate['substitutions']} / {rate['deletions']} / {rate['insertions']}"
            cells += [f"{cell(rate)}, {counts}", cell(table["homophones"][window])]
        lines.append(f"| {window} s | " + " | ".join(cells) + " |")
    for half, table in halves.items():
        rates = "; ".join(f"{window} s {cell(entry)}" for window, entry in table["at_homophones"].items())
        lines.append(f"\n{half}, any error at words with homophones: {rates}")
    longest = windows[-1]
    for half, table in halves.items():
        voices = sorted(table["by_recording"][longest].values(), key=lambda entry: entry["wer"])
        lines.append(f"\n{half}, {longest} s, by voice: " + "; ".join(f"{e['voice']} {e['wer']:.1%}" for e in voices))
    for kind, h in card["without_speech"].items():
        minutes = h["audio_s"] / 60
        lines.append(
            f"{kind}: text in {h['with_text']} of {h['windows']} windows, {h['words']} words in {minutes:.1f} min"
        )
    if taken := card.get("one_thread_30_s_cpu_s"):
        lines.append(f"30 s on one thread: median {median(taken):.2f} s, at most {max(taken):.2f} s of CPU time")
    if real := card.get("real"):
        lines.append(f"real speech, 8 s windows: {cell(real)} of {real['ref_words']} words")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model", default="pocket", help="pocket, or a checkpoint to hold against it (default: pocket)"
    )
    parser.add_argument("--windows", type=seconds_list, default=WINDOWS_S, metavar="S,S,...")
    parser.add_argument("--datasets", default=",".join(HALVES), help=f"default: {','.join(HALVES)}")
    parser.add_argument(
        "--empty", type=positive_count, default=EMPTY_WINDOWS, metavar="N",
        help=f"windows without speech, of each length and kind of noise (default: {EMPTY_WINDOWS})",
    )  # fmt: skip
    parser.add_argument("--real", metavar="NAME|PATH", help="real speech with transcripts, to state what it cannot do")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    args = parser.parse_args(argv)
    try:
        card = measure(args.windows, args.datasets.split(","), args.real, args.model, args.empty)
    except InputError as error:
        parser.error(str(error))
    if args.out:
        write_whole(args.out, json.dumps(card, indent=1) + "\n")
        print(f"wrote {args.out}", file=sys.stderr)
    print(markdown(card))


if __name__ == "__main__":
    main()
