"""Find the decoder heads whose attention follows the audio, for checkpoints that openai-whisper names none for.

    python -m earspan.benchmarks.calibrate_heads --model pocket

The reference text of a dataset with word times is forced through the decoder, and for each head it is counted how many
tokens attend most to a frame of their own word. Heads are then added, the best first, as long as all together do
better. The result goes to `speech/alignment_heads.json`, under the checkpoint's SHA-256.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from whisper.audio import SAMPLE_RATE

from ..backends.errors import InputError
from ..datasets import Recording, open_dataset
from ..speech.attention import CALIBRATED, Attention, Head, most_attended
from ..speech.audio_features import SECONDS_PER_POSITION
from ..speech.engine import Clip
from ..speech.model import Recogniser, load_recogniser
from .options import DEFAULT_DATASET, positive_seconds, seconds_list, use_all_cores
from .store import write_whole

_MARGIN_S = 0.06  # word times of synthesisers and frames of 20 ms do not meet to the millisecond
_CANDIDATES = 12
_WORTH = 0.005  # what another head has to add to the share
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Passage:
    """A window of a recording, and for each word whole within it the text and the times, in seconds of the window."""

    clip: Clip
    words: tuple[tuple[str, float, float], ...]


def passages(recordings: Sequence[Recording], windows_s: Sequence[float], audio_s: float) -> Iterator[list[Passage]]:
    """Windows of the first `audio_s` of each recording, those of one length together. Skips what has no word times."""
    for window_s in windows_s:
        found = []
        for recording in recordings:
            for start_s in np.arange(0.0, min(audio_s, recording.duration_s) - window_s, window_s).tolist():
                whole = tuple(
                    (w.text, w.start_s - start_s, w.end_s - start_s)
                    for w in recording.words or ()
                    if w.start_s >= start_s and w.end_s <= start_s + window_s
                )
                first = round(start_s * SAMPLE_RATE)
                if whole:
                    found.append(Passage(Clip(recording.audio[first : first + round(window_s * SAMPLE_RATE)]), whole))
        yield found


def inside(
    recogniser: Recogniser, batches: Sequence[Sequence[Passage]], candidates: Sequence[Head]
) -> dict[tuple[Head, ...], float]:
    """The share of tokens that attend to their own word, for each candidate and for the best ones together."""
    attention = Attention(recogniser, heads=candidates)
    tokenizer = recogniser.tokenizer("en", "transcribe")
    begin = list(tokenizer.sot_sequence_including_notimestamps)
    seen: list[tuple[torch.Tensor, np.ndarray]] = []
    for batch in batches:
        pieces = [[(tokenizer.encode(" " + text), a, b) for text, a, b in passage.words] for passage in batch]
        tokens = [[*begin, *(t for piece, _, _ in words for t in piece)] for words in pieces]
        spans = [np.array([(a, b) for piece, a, b in words for _ in piece]) for words in pieces]
        for weights, span in zip(attention.weights([p.clip for p in batch], tokens), spans, strict=True):
            seen.append((weights[:, len(begin) - 1 : -1], span))  # the row before a token predicts it

    def share(chosen: Sequence[int]) -> float:
        right = []
        for weights, span in seen:
            at_s = (np.array(most_attended(weights[list(chosen)])) + 0.5) * SECONDS_PER_POSITION
            right.append((at_s >= span[:, 0] - _MARGIN_S) & (at_s <= span[:, 1] + _MARGIN_S))
        return float(np.concatenate(right).mean())

    shares: dict[tuple[Head, ...], float] = {(head,): share([i]) for i, head in enumerate(candidates)}
    ranked = sorted(range(len(candidates)), key=lambda i: -shares[candidates[i],])[:_CANDIDATES]
    chosen, best = ranked[:1], shares[candidates[ranked[0]],]
    for i in ranked[1:]:
        together = share([*chosen, i])
        shares[tuple(candidates[j] for j in [*chosen, i])] = together
        if together > best + _WORTH:
            chosen, best = [*chosen, i], together
    return shares


def main(argv: Sequence[str] | None = None) -> None:
    """Calibrate one model and store the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--dataset", default=DEFAULT_DATASET, help=f"it has word times (default: {DEFAULT_DATASET})")
    parser.add_argument("--windows", type=seconds_list, default="5,10,20", metavar="S,S,...")
    parser.add_argument("--audio", type=positive_seconds, default=60.0, metavar="S", help="of each recording")
    parser.add_argument("--out", type=Path, default=CALIBRATED, metavar="FILE")
    args = parser.parse_args(argv)
    recordings = [entry.load() for entry in open_dataset(args.dataset)]
    if all(recording.words is None for recording in recordings):
        raise InputError(f"{args.dataset} has no word times; choose a --dataset that has, for example talks")
    use_all_cores()
    recogniser = load_recogniser(args.model)
    dims = recogniser.dims
    candidates = [(layer, head) for layer in range(dims.n_text_layer) for head in range(dims.n_text_head)]
    batches = [
        found[i : i + _BATCH]
        for found in passages(recordings, args.windows, args.audio)
        for i in range(0, len(found), _BATCH)
    ]
    shares = inside(recogniser, batches, candidates)
    heads = max(shares, key=lambda tried: shares[tried] - _WORTH * len(tried))
    entry = {
        "model": recogniser.name,
        "model_sha256": recogniser.sha256,
        "heads": heads,
        "tokens_inside_their_word": round(shares[heads], 4),
        "by_heads": {" ".join(f"{layer}.{head}" for layer, head in tried): round(s, 4) for tried, s in shares.items()},
        "dataset": args.dataset,
        "windows_s": args.windows,
    }
    known = json.loads(args.out.read_text(encoding="utf-8"))["models"] if args.out.exists() else []
    kept = [one for one in known if one["model"] != recogniser.name]
    write_whole(args.out, json.dumps({"models": [*kept, entry]}, indent=1) + "\n")
    print(json.dumps(entry, indent=1))


if __name__ == "__main__":
    main()
