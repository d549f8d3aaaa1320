"""What is taken of a dataset: a seeded sample, and segments joined into long streams."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from ..backends.errors import InputError
from .audio import SAMPLE_RATE
from .recording import Entry, Recording, Word

STREAM_KEYS = ("speaker", "chapter")


class _Timed(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def duration_s(self) -> float: ...


T = TypeVar("T", bound=_Timed)


def sample(items: Sequence[T], hours: float, seed: int) -> list[T]:
    """As many of `items` as make up `hours`, drawn by hash of seed and id, in their own order.

    The draw does not depend on the order of the list, nor on what else is in it: the first of a list are no sample
    (some copies of test sets are sorted by length), and a larger sample holds the smaller one of the same seed.
    """
    left_s = hours * 3600
    drawn = set()
    for item in sorted(items, key=lambda item: hashlib.sha256(f"{seed}:{item.id}".encode()).digest()):
        if left_s <= 0:
            break
        drawn.add(item.id)
        left_s -= item.duration_s
    return [item for item in items if item.id in drawn]


@dataclass(frozen=True, slots=True)
class Stream:
    """Entries to be heard as one long recording, with `gap_s` of silence between them."""

    id: str
    entries: tuple[Entry, ...]
    gap_s: float

    @property
    def duration_s(self) -> float:
        return sum(entry.duration_s for entry in self.entries) + self.gap_s * (len(self.entries) - 1)

    @property
    def text(self) -> str:
        return " ".join(entry.text for entry in self.entries if entry.text)

    @property
    def origin(self) -> str:
        return self.entries[0].origin

    def load(self) -> Recording:
        """Return the joined recording, with word times if every part has them.

        Raises `InputError` for a part that cannot be read.
        """
        parts = [entry.load() for entry in self.entries]
        gap = np.zeros(round(self.gap_s * SAMPLE_RATE), np.float32)
        audio, words, at_s = [parts[0].audio], list(parts[0].words or ()), parts[0].duration_s
        for part in parts[1:]:
            at_s += len(gap) / SAMPLE_RATE
            audio += [gap, part.audio]
            words += [Word(w.text, w.start_s + at_s, w.end_s + at_s) for w in part.words or ()]
            at_s += part.duration_s
        timed = all(part.words is not None for part in parts)
        speakers = {part.speaker for part in parts}
        speaker = speakers.pop() if len(speakers) == 1 else None
        return Recording(
            self.id, np.concatenate(audio), self.text, tuple(words) if timed else None, parts[0].dataset, speaker
        )


def join_streams(entries: Sequence[Entry], by: str, gap_s: float) -> list[Stream]:
    """Return entries of one speaker, or one chapter (talk, session), joined in their order, as live audio is long.

    Raises `InputError` where entries do not say whose they are.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        key = entry.speaker if by == "speaker" else entry.group
        if key is None:
            raise InputError(f"--stream-by {by}: {entry.origin}: recording {entry.id!r} names no {by}")
        groups.setdefault(key, []).append(entry)
    return [Stream(f"{by} {key}", tuple(members), gap_s) for key, members in groups.items()]
