"""What a run keeps of every call: its times on the clock, the work that it was, and the text that it showed."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call of one stream as it went. Times are seconds of the recording; texts are raw, as Whisper wrote them.

    start_s, end_s: the audio that Whisper was given.
    arrival_at_s: when the call could begin: its audio had been spoken, and it was clear where to cut.
    start_at_s: when the backend began with it.
    finish_at_s: when the backend was done, and its words were shown.
    prompt_tokens: tokens fed before the first one chosen, all runs of the decoder together.
    decode_tokens: decode steps, all runs of the decoder together.
    encoder_passes: how often the encoder ran.
    decoder_runs: how often the decoder ran: once for each part of the audio and each temperature that was tried.
    temperature: the highest at which a text was accepted.
    cut_off: whether the limit of tokens ended a run.
    text: all that Whisper wrote.
    committed: the words that were shown for good.
    interim: the words shown after those, until the next call put others in their place.
    """

    start_s: float
    end_s: float
    arrival_at_s: float
    start_at_s: float
    finish_at_s: float
    prompt_tokens: int
    decode_tokens: int
    encoder_passes: int
    decoder_runs: int
    temperature: float
    cut_off: bool
    text: str
    committed: tuple[str, ...]
    interim: tuple[str, ...]


def find_unheard_s(calls: Iterable[tuple[float, float]], duration_s: float) -> float:
    """Return the seconds of a recording that none of `calls`, given by start and end in seconds, holds."""
    heard_to_s, missing_s = 0.0, 0.0
    for start_s, end_s in sorted(calls):
        missing_s += max(0.0, start_s - heard_to_s)
        heard_to_s = max(heard_to_s, end_s)
    return missing_s + max(0.0, duration_s - heard_to_s)
