"""When each word was spoken, by the recogniser itself, for references without word times.

It hears the recording with all the context it can take, and its cross-attention says where its words are
(openai-whisper's dynamic time warping). Where they align with the reference, the reference takes their times; the
words between share what is left. Such times are no truth: who uses them has to say where they come from.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from whisper.audio import SAMPLE_RATE
from whisper.model import Whisper
from whisper.timing import WordTiming, find_alignment

from ...backends.workload.op import LONGEST_S
from ...datasets.recording import Recording, Word
from ..metrics.align import HIT
from ..metrics.pairing import pair_words
from .cache import Origin
from .features import Part, frames_of
from .hypothesis import Clip
from .transcriber import Transcriber

_VERSION = 1  # raise it when a word may get another time
_MARGIN_S = 5.0  # of context on both sides that a window hears besides its own part
_WORD_S = 0.4  # how long a word takes where only one of its sides is known


@dataclass(frozen=True, slots=True)
class Timed:
    """A recording with word times, and how many of its words were found by the recogniser; the others are between."""

    recording: Recording
    found: int


def add_word_times(recordings: Sequence[Recording], engine: Transcriber, window_s: float = LONGEST_S) -> list[Timed]:
    """Return each recording with times for all words of its text; without, if none of its words was heard.

    Windows of `window_s` overlap, so that each word is heard with at least 5 s on both sides. Times are kept where the
    engine keeps transcripts.
    """
    keys = [_key(recording, engine, window_s) for recording in recordings]
    rows = engine.cache.get(keys) if engine.cache else {}
    missing = [recording for recording, key in zip(recordings, keys, strict=True) if key not in rows]
    if missing:
        new = {_key(one.recording, engine, window_s): _row(one) for one in _time_words(missing, engine, window_s)}
        rows |= new
        if engine.cache:
            model = engine.recogniser
            engine.cache.put(new, Origin(model.name, model.sha256, f"word times {_VERSION}"))
    return [_timed(recording, rows[key]) for recording, key in zip(recordings, keys, strict=True)]


def _key(recording: Recording, engine: Transcriber, window_s: float) -> str:
    model = engine.recogniser
    settings = ["word times", _VERSION, engine.version, model.digest or model.sha256, asdict(engine.options), window_s]
    digest = hashlib.sha256(json.dumps([settings, recording.text], sort_keys=True).encode() + b"\0")
    digest.update(np.ascontiguousarray(recording.audio, np.float32).data)
    return digest.hexdigest()


def _row(timed: Timed) -> dict[str, Any]:
    words = timed.recording.words
    return {"words": words and [[word.text, word.start_s, word.end_s] for word in words], "found": timed.found}


def _timed(recording: Recording, row: dict[str, Any]) -> Timed:
    words = None if row["words"] is None else tuple(Word(*word) for word in row["words"])
    return Timed(replace(recording, words=words), row["found"])


def _time_words(recordings: Sequence[Recording], engine: Transcriber, window_s: float) -> list[Timed]:
    spans = [_windows(recording.duration_s, window_s) for recording in recordings]
    clips = [
        Clip(recording.audio[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)])
        for recording, own in zip(recordings, spans, strict=True)
        for start_s, end_s, _, _ in own
    ]
    texts = iter(engine.transcribe(clips))
    aligner, remaining = _Aligner(engine), iter(clips)
    timed = []
    for recording, own in zip(recordings, spans, strict=True):
        heard: list[Word] = []
        for start_s, _, from_s, to_s in own:
            words = aligner.words(next(remaining), next(texts).text, start_s)
            heard += [word for word in words if from_s <= (word.start_s + word.end_s) / 2 < to_s]
        words, found = transfer_times(recording.text.split(), heard, recording.duration_s)
        timed.append(Timed(replace(recording, words=tuple(words) if found else None), found))
    return timed


def _windows(duration_s: float, window_s: float) -> list[tuple[float, float, float, float]]:
    """Return start and end of each window, and of the part whose words are taken from it."""
    margin_s = min(_MARGIN_S, window_s / 4)
    found, start_s = [], 0.0
    while duration_s > 0:
        end_s = min(start_s + window_s, duration_s)
        last = end_s >= duration_s
        found.append((start_s, end_s, start_s + margin_s if found else 0.0, end_s - margin_s if not last else 1e9))
        if last:
            break
        start_s = end_s - 2 * margin_s
    return found


def transfer_times(reference: Sequence[str], heard: Sequence[Word], duration_s: float) -> tuple[list[Word], int]:
    """Return the words of a reference with the times of those `heard` that they align with, and how many do.

    The words between share the time that is left there evenly; those at an end take 0.4 s each.
    """
    times: list[tuple[float, float] | None] = [None] * len(reference)
    for pair in pair_words(reference, [word.text for word in heard]):
        if pair.step == HIT and pair.said and pair.heard:
            start_s, end_s = heard[pair.heard.first].start_s, heard[pair.heard.end - 1].end_s
            share_s = (end_s - start_s) / (pair.said.end - pair.said.first)
            for i in range(pair.said.first, pair.said.end):
                at_s = start_s + share_s * (i - pair.said.first)
                times[i] = (at_s, at_s + share_s)
    found = sum(time is not None for time in times)
    words: list[Word] = []
    at_s, waiting = 0.0, 0
    for i, time in enumerate([*times, None]):
        if i < len(times) and time is None:
            waiting += 1
            continue
        ends_s = time[0] if time else min(duration_s, at_s + _WORD_S * waiting)
        if waiting == i:  # before the first that was found
            at_s = max(0.0, ends_s - _WORD_S * waiting)
        # ends exactly where the next word begins: sums of shares end a rounding error before or after
        edges = np.linspace(at_s, max(at_s, ends_s), waiting + 1).tolist()
        words += [Word(text, *times) for text, times in zip(reference[i - waiting : i], pairwise(edges), strict=True)]
        waiting = 0
        if time:
            start_s = max(at_s, time[0])  # never before the word before it
            words.append(Word(reference[i], start_s, max(start_s, time[1])))
            at_s = words[-1].end_s
    return words, found


class _Aligner:
    """Word times of transcripts."""

    def __init__(self, engine: Transcriber) -> None:
        self._engine = engine
        self._tokenizer = engine.recogniser.tokenizer(engine.options.language, engine.options.task)

    def words(self, clip: Clip, text: str, start_s: float) -> list[Word]:
        """Return the words of `text` with their times in seconds of a recording, whose `clip` begins at `start_s`."""
        if not text.strip():
            return []
        [features] = self._engine.features.of([Part(clip)])
        encoded = _Encoded(self._engine.recogniser.whisper, features)
        tokens, frames = self._tokenizer.encode(" " + text.strip(), disallowed_special=()), max(2, frames_of(clip))
        no_mel = torch.empty(0)  # it is encoded
        found = find_alignment(encoded, self._tokenizer, tokens, no_mel, frames)  # pyright: ignore[reportArgumentType]
        return [Word(text, start_s + first_s, start_s + last_s) for text, first_s, last_s in _whole_words(found)]


def _whole_words(pieces: Sequence[WordTiming]) -> list[tuple[str, float, float]]:
    """Return words with start and end; punctuation belongs to the word before it, but its time does not."""
    words: list[tuple[str, float, float]] = []
    for piece in pieces:
        start_s, end_s = float(piece.start), float(piece.end)
        if words and not piece.word.startswith(" "):
            text, first_s, last_s = words[-1]
            spoken = any(character.isalnum() for character in piece.word)
            words[-1] = (text + piece.word.strip(), first_s, end_s if spoken else last_s)
        elif piece.word.strip():
            words.append((piece.word.strip(), start_s, end_s))
    return words


class _Encoded:
    """What `find_alignment` asks of a Whisper, for audio that is encoded already."""

    def __init__(self, whisper: Whisper, features: Tensor) -> None:
        self._features, self.decoder = features, whisper.decoder
        self.dims, self.device = whisper.dims, whisper.device
        self.alignment_heads = whisper.get_buffer("alignment_heads")

    def __call__(self, mel: Tensor, tokens: Tensor) -> Tensor:
        return self.decoder(tokens, self._features[None])
