"""Streams that `earspan measure` played: its `streams-N.jsonl`, a line for each, with everything that the server said.

A word is final from when it and all before it stand in the server's final text as they do at its end. What had been
given by then is what had been sent. A stream that failed has no answer, nor has one that was not sent in time.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ...speech.metrics.latency import common_prefix
from ...speech.metrics.screen import read_screens
from ...speech.streaming.paced import Streamed
from ..experiment import store
from .answers import Answer, Stream, settle
from .lines import numbered_lines


def read_streams(path: Path) -> list[Stream]:
    """Return what is in a file of streams, or in several put one behind the other. Raises `InputError`."""
    return [_stream(place, store.decode(line, Streamed, place)) for place, line in numbered_lines(path)]


def _stream(place: str, played: Streamed) -> Stream:
    failure = f"{played.failed.kind}: {played.failed.about}" if played.failed else played.why_invalid
    return Stream(played.recording, place, tuple(_answers(played)), failure=failure)


def _answers(played: Streamed) -> Iterator[Answer]:
    screens = list(read_screens(played.said))
    kept = [common_prefix(screen.final, screen.shown) for screen in screens]  # a final part behind one that is not
    sent_at_s = [send.at_s for send in played.sends]
    fixed = ((screen.at_s, screen.shown[:k], screen.shown[k:]) for screen, k in zip(screens, kept, strict=True))
    for answer in settle(fixed):
        sent = bisect_right(sent_at_s, answer.at_s or 0.0)
        yield replace(answer, heard_s=played.sends[sent - 1].due_s if sent else 0.0)
