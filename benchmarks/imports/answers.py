"""What a system said of each recording, and when, whatever program wrote it down."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ...backends.errors import InputError
from ...speech.metrics.calls import CallRecord


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system showed at one moment.

    final: words that will not change any more.
    interim: words shown behind those, until the next answer.
    at_s: when it was shown, in seconds since the recording began to play; None where nothing says so.
    heard_s: how much of the recording had been given to the system by then, computing left out; None likewise.
    """

    final: tuple[str, ...]
    interim: tuple[str, ...] = ()
    at_s: float | None = None
    heard_s: float | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """All answers to one recording, in order.

    name: of the recording, as the file has it.
    place: where in the file it is, for messages.
    audio_s: how long the recording is, if the file says so.
    failure: why there is no answer, if the file says so.
    system: what answered, if the file says so.
    after_speech_s: from the end of speech to the only answer, where that is what the file says instead of a time.
    """

    name: str
    place: str
    answers: tuple[Answer, ...]
    audio_s: float | None = None
    failure: str = ""
    system: str = ""
    after_speech_s: float | None = None


def answer_words(
    texts: Sequence[str], heard_s: Sequence[float] | None, at_s: Sequence[float] | None
) -> tuple[Answer, ...]:
    """Return words with times of their own as answers: words that came together are one."""
    none = [None] * len(texts)
    words = zip(texts, heard_s or none, at_s or none, strict=True)
    return tuple(
        Answer(tuple(text for text, *_ in group), heard_s=heard, at_s=at)
        for (heard, at), group in groupby(words, key=lambda word: word[1:])
    )


def check_times(times_s: Iterable[float], place: str, field: str) -> None:
    """Raise `InputError` for times that are no times, or that go back."""
    before_s = 0.0
    for at_s in times_s:
        if not math.isfinite(at_s) or at_s < before_s:
            rule = "a time of 0 s or more" if before_s == 0 else f"no less than {before_s:g}, the one before"
            raise InputError(f"{place}: {field} holds {at_s:g}; expected {rule}")
        before_s = at_s


def settle(shown: Iterable[tuple[float | None, Sequence[str], Sequence[str]]]) -> Iterator[Answer]:
    """Yield answers of a screen that was written whole each time: time, words in its fixed part, words behind them.

    A word is final from when it and all before it stand in the fixed part as they do at the end: servers may write
    that part anew, and a reader who saw another word there saw an interim one.
    """
    screens = [(at_s, tuple(fixed), tuple(rest)) for at_s, fixed, rest in shown]
    last = screens[-1][1] if screens else ()
    stable = [_common(fixed, last) for _, fixed, _ in screens]
    for i in reversed(range(len(stable) - 1)):
        stable[i] = min(stable[i], stable[i + 1])
    done = 0
    for (at_s, fixed, rest), kept in zip(screens, stable, strict=True):
        yield Answer(last[done:kept], (*fixed[kept:], *rest), at_s)
        done = kept


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def calls_of(answers: Sequence[Answer], audio_s: float) -> tuple[CallRecord, ...]:
    """Return answers as a run stores calls.

    A call ends with the audio that had been given by its answer, where that is known, else with the recording; it is
    taken to have heard all before. The work that it was is not known: it lasts no time. An empty call closes a
    recording whose end no answer reached.
    """
    calls = [_call(one, audio_s) for one in answers]
    if not calls or calls[-1].end_s < audio_s:
        last_s = calls[-1].finish_at_s if calls else audio_s
        calls.append(_call(Answer((), (), max(audio_s, last_s), audio_s), audio_s))
    return tuple(calls)


def _call(answer: Answer, audio_s: float) -> CallRecord:
    end_s = audio_s if answer.heard_s is None else min(answer.heard_s, audio_s)
    heard_at_s = answer.heard_s if answer.heard_s is not None else audio_s if answer.at_s is None else answer.at_s
    shown_at_s = heard_at_s if answer.at_s is None else answer.at_s
    return CallRecord(
        start_s=0.0,
        end_s=end_s,
        arrival_at_s=heard_at_s,
        start_at_s=shown_at_s,
        finish_at_s=shown_at_s,
        prompt_tokens=0,
        decode_tokens=0,
        encoder_passes=0,
        decoder_runs=0,
        temperature=0.0,
        cut_off=False,
        text=" ".join(answer.final + answer.interim),
        committed=answer.final,
        interim=answer.interim,
    )
