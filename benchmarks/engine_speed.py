"""How fast the engine is beside the tools people would pick: `python -m earspan.benchmarks.engine_speed`.

Same weights, same windows, same greedy decoding in float32, all in one run, as ratios: openai-whisper's `decode` in a
loop, faster-whisper's batched pipeline, and this engine; on `pocket`, and on random weights of the size of tiny.en,
whose texts are cut off at 3.3 tokens a second. Then what drafts save, what the cache saves, how cost grows with
audio, how much memory four hours take, and how near the encoder comes to this machine's matrix multiplication.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from whisper.model import ModelDimensions

from ..backends.models import DIMENSIONS, Dimensions
from ..backends.span import TOKENS_PER_S
from ..backends.workload import Workload
from ..datasets import Recording, open_dataset
from ..datasets.audio import SAMPLE_RATE
from ..speech.cache import TranscriptCache
from ..speech.draft import proposals
from ..speech.engine import Clip, DecodeOptions, Engine, Hypothesis
from ..speech.model import Recogniser, encode, load_recogniser
from ..speech.score import ErrorRate, score_texts
from .options import DEFAULT_DATASET, use_all_cores
from .rivals import faster_whisper_batches, openai_loop, random_whisper
from .tables import show_table

WINDOWS_S = (1.0, 5.0, 15.0, 30.0)
DRAFT_WINDOWS_S, DRAFT_STEP_S = (10.0, 20.0, 30.0), 0.5
BARS = {"openai-whisper": 5.0, "faster-whisper": 1.5, "passes": 4.0, "cache": 100.0, "memory": 2.0}
TALK_S, DRAFT_TALKS, DRAFT_TALK_S = 60.0, 3, 45.0


@dataclass(frozen=True, slots=True)
class Timed:
    """What transcribing took, in seconds of wall and of processor time, and gave."""

    texts: list[str]
    wall_s: float
    processor_s: float


def timed(transcribe: Callable[[Sequence[Clip]], list[str]], clips: Sequence[Clip]) -> Timed:
    """One run over `clips`, after a warm-up on the first of them."""
    transcribe(clips[:1])
    wall, processor = time.perf_counter(), time.process_time()
    texts = transcribe(clips)
    return Timed(texts, time.perf_counter() - wall, time.process_time() - processor)


def ours(recogniser: Recogniser, max_tokens: int) -> Callable[[Sequence[Clip]], list[str]]:
    """This engine, new for each call, so that nothing is known from the one before."""
    return lambda clips: [h.text for h in Engine(recogniser, DecodeOptions(max_tokens=max_tokens)).transcribe(clips)]


def windows(recording: Recording, window_s: float, step_s: float) -> list[Clip]:
    """Whole windows of a recording, one every `step_s`."""
    length = round(window_s * SAMPLE_RATE)
    starts = np.arange(0, len(recording.audio) - length + 1, step_s * SAMPLE_RATE).round().astype(int)
    return [Clip(recording.audio[start : start + length]) for start in starts]


def disjoint(recordings: Sequence[Recording], window_s: float, count: int) -> list[Clip]:
    """`count` windows that do not overlap, in turn from all recordings."""
    by_recording = [windows(recording, window_s, window_s) for recording in recordings]
    mixed = [clips[at] for at in range(max(map(len, by_recording))) for clips in by_recording if at < len(clips)]
    return mixed[:count]


def said(recordings: Sequence[Recording], clips: Sequence[Clip]) -> list[str]:
    """The words that end or begin in each clip, by the word times of the recording that it is a part of."""
    texts = []
    for clip in clips:
        recording = next(r for r in recordings if np.shares_memory(clip.audio, r.audio))
        start_s = (clip.audio.ctypes.data - recording.audio.ctypes.data) / 4 / SAMPLE_RATE
        end_s = start_s + len(clip.audio) / SAMPLE_RATE
        inside = [w.text for w in recording.words or () if start_s <= (w.start_s + w.end_s) / 2 < end_s]
        texts.append(" ".join(inside))
    return texts


def compare(recogniser: Recogniser, recordings: Sequence[Recording], count: int, folder: Path) -> Iterator[list[str]]:
    """Rows: window, engine, calls a second, our factor, equal texts, WER."""
    for window_s in WINDOWS_S:
        clips = disjoint(recordings, window_s, count)
        tokens = int(TOKENS_PER_S * window_s + 1) if recogniser.pads else 224
        rivals = {"earspan": ours(recogniser, tokens), "openai-whisper": openai_loop(recogniser, tokens, padded=True)}
        if not recogniser.pads:
            rivals["openai-whisper, unpadded"] = openai_loop(recogniser, tokens, padded=False)
        if faster := faster_whisper_batches(recogniser, folder, tokens):
            rivals["faster-whisper"] = faster
        runs = {name: timed(rival, clips) for name, rival in rivals.items()}
        mine = runs["earspan"]
        for name, found in runs.items():
            equal = sum(a == b for a, b in zip(mine.texts, found.texts, strict=True))
            wer = "-" if recogniser.pads else f"{_wer(said(recordings, clips), found.texts):.1%}"
            factors = f"{found.wall_s / mine.wall_s:.1f}", f"{found.processor_s / mine.processor_s:.1f}"
            rate = f"{len(clips) / found.wall_s:.2f}"
            yield [recogniser.name, f"{window_s:g} s", name, rate, *factors, f"{equal}/{len(clips)}", wer]


def _wer(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    return sum(score_texts(references, hypotheses), ErrorRate.zero()).rate or 0.0


def drafts(recogniser: Recogniser, recordings: Sequence[Recording]) -> Iterator[list[str]]:
    """Rows: window, passes without and with drafts, the factor, equal texts, processor time saved."""
    encode_text = Engine(recogniser)._tokenizer.encode
    for window_s in DRAFT_WINDOWS_S:
        length = round(DRAFT_TALK_S * SAMPLE_RATE)
        recordings = [replace(r, audio=r.audio[:length]) for r in recordings[:DRAFT_TALKS]]
        streams = [windows(recording, window_s, DRAFT_STEP_S) for recording in recordings]
        plain = Engine(recogniser)
        drafted = Engine(recogniser)
        steps = [list(clips) for clips in zip(*streams, strict=False)]
        start = time.process_time()
        expected = [plain.transcribe(clips) for clips in steps]
        plain_s = time.process_time() - start
        start = time.process_time()
        found: list[list[Hypothesis]] = []
        for clips in steps:
            known = [h.tokens for h in found[-1]] if found else [()] * len(clips)
            found.append(drafted.transcribe([Clip(c.audio, draft=d) for c, d in zip(clips, known, strict=True)]))
        drafted_s = time.process_time() - start
        equal = [[h.tokens for h in step] for step in found] == [[h.tokens for h in step] for step in expected]
        # a recogniser that makes no errors: what the method itself gives
        perfect = [[tuple(encode_text(" " + text)) for text in said(recordings, clips)] for clips in streams]
        pairs = [pair for texts in perfect for pair in pairwise(texts)]
        produced = sum(len(text) + 1 for _, text in pairs)
        ideal = produced / sum(len(proposals(earlier, (*text, -1))) for earlier, text in pairs)
        passes: tuple[int, int] = (plain.decoder_passes, drafted.decoder_passes)
        factor = passes[0] / passes[1]
        yield [f"{window_s:g} s", f"{plain.decoder_passes / plain.computed:.1f}",
               f"{drafted.decoder_passes / drafted.computed:.1f}", f"{factor:.1f}", f"{ideal:.1f}",
               "all" if equal else "NOT ALL", f"{plain_s / drafted_s:.2f}"]  # fmt: skip


def cached(recogniser: Recogniser, recordings: Sequence[Recording], folder: Path) -> Iterator[list[str]]:
    """Rows: kind of windows, first run, run from the cache, the factor."""
    for name, window_s, step_s in (("disjoint 5 s", 5.0, 5.0), ("sliding 10 s, step 1 s", 10.0, 1.0)):
        clips = [clip for recording in recordings for clip in windows(recording, window_s, step_s)]
        seconds = []
        for _ in range(2):
            cache = TranscriptCache(folder)
            engine = Engine(recogniser, cache=cache)
            start = time.perf_counter()
            engine.transcribe(clips)
            seconds.append(time.perf_counter() - start)
            cache.close()
        yield [name, str(len(clips)), f"{seconds[0]:.2f} s", f"{seconds[1] * 1e3:.1f} ms",
               f"{seconds[0] / seconds[1]:.0f}"]  # fmt: skip


def growth(recogniser: Recogniser, recordings: Sequence[Recording]) -> Iterator[list[str]]:
    """Rows: audio, time, time for each second of audio."""
    clips = [clip for recording in recordings for clip in windows(recording, 5.0, 2.5)]
    clips = clips[: len(clips) // 4 * 4]
    for factor in (1, 2, 4):
        part = clips[: len(clips) * factor // 4]
        start, wall = time.process_time(), time.perf_counter()
        Engine(recogniser).transcribe(part)
        wall_s, processor_s = time.perf_counter() - wall, time.process_time() - start
        audio_s = sum(len(clip.audio) for clip in part) / SAMPLE_RATE
        yield [f"{factor} x", f"{audio_s:.0f} s", f"{wall_s:.2f} s", f"{processor_s:.2f} s",
               f"{processor_s / audio_s * 1e3:.2f} ms"]  # fmt: skip


def memory(recogniser: Recogniser, recordings: Sequence[Recording], hours: float) -> Iterator[list[str]]:
    """Rows: hours heard so far in windows of 30 s, half an hour in memory at a time, and the most memory in use."""
    engine, heard_s, rng = Engine(recogniser), 0.0, np.random.default_rng(1)
    base = np.concatenate([recording.audio for recording in recordings])
    while heard_s < hours * 3600:
        audio = np.resize(base, 1800 * SAMPLE_RATE)
        audio = audio + rng.normal(0, 1e-3, len(audio)).astype(np.float32)  # so that no window is known
        engine.transcribe([Clip(part) for part in np.split(audio, 60)])
        heard_s += 1800
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        yield [f"{heard_s / 3600:g} h", f"{peak_gb:.2f} GB"]


@torch.inference_mode()
def peak(recognisers: Sequence[Recogniser]) -> Iterator[list[str]]:
    """Rows: what, arithmetic a second, share of the machine's largest rate for matrix products of this size."""
    best = max(_gflops(size) for size in (512, 1024, 2048))
    yield ["matrix product", f"{best:.0f} GFLOP/s", "100 %"]
    for recogniser in recognisers:
        for audio_s, batch in ((30.0, 2), (5.0, 12)):
            work = Workload(Dimensions.of(recogniser.dims), batch, audio_s, "fit", dtype="fp32")
            flops = sum(op.flops * op.count for op in work.ops() if op.phase == "encode")
            mel = torch.randn(batch, recogniser.dims.n_mels, work.frames)
            rate = flops / _least(lambda mel=mel, r=recogniser: encode(r.whisper.encoder, mel)) / 1e9
            yield [
                f"encoder of {recogniser.name}, {batch} x {audio_s:g} s",
                f"{rate:.0f} GFLOP/s",
                f"{rate / best:.0%}",
            ]


def _gflops(size: int) -> float:
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / _least(lambda: F.linear(a, b)) / 1e9


def _least(task: Callable[[], object], times: int = 5) -> float:
    """The least wall time of some runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main(argv: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=12, help="windows of each length for the rivals (default: 12)")
    parser.add_argument("--hours", type=float, default=4.0, help="audio for the memory table (default: 4)")
    parser.add_argument("--only", default="", metavar="A,B", help="compare, drafts, cache, growth, peak, memory")
    args = parser.parse_args(argv)
    use_all_cores()
    pocket = load_recogniser("pocket")
    tiny = random_whisper(ModelDimensions(**DIMENSIONS["tiny.en"].to_dict()))
    talks = [_head(entry.load()) for entry in open_dataset(DEFAULT_DATASET)]
    print(f"{torch.get_num_threads()} threads; torch {torch.__version__}; factors: the other's time over ours\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        columns = ("model", "window", "engine", "calls/s>", "factor, wall>", "factor, processor>", "equal>", "WER>")
        tables = {
            "compare": (f"Calls a second, {args.count} windows", columns,
                        lambda: [row for r in (pocket, tiny)
                                 for row in compare(r, talks, args.count, folder / r.name)]),
            "drafts": ("Drafts, pocket, step 0.5 s", ("window", "passes>", "with drafts>", "factor>",
                       "of a perfect recogniser>", "equal", "processor time saved>"), lambda: drafts(pocket, talks)),
            "cache": ("Cache, pocket", ("windows", "calls>", "first>", "again>", "factor>"),
                      lambda: cached(pocket, talks, folder / "cache")),
            "growth": ("Cost", ("", "audio>", "wall>", "processor>", "a second of audio>"),
                       lambda: growth(pocket, talks)),
            "peak": ("Encoder", ("", "rate>", "of peak>"), lambda: peak((pocket, tiny))),
            "memory": ("Memory, pocket", ("heard", "peak>"), lambda: memory(pocket, talks, args.hours)),
        }  # fmt: skip
        for key, (title, headings, rows) in tables.items():
            if not args.only or key in args.only.split(","):
                show_table(title, headings, rows())
                sys.stdout.flush()
    return 0


def _head(recording: Recording) -> Recording:
    return replace(recording, audio=recording.audio[: round(TALK_S * SAMPLE_RATE)])


if __name__ == "__main__":
    sys.exit(main())
