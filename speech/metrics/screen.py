"""What a reader of a measured stream sees, and when: words for good, words that may change, and what was taken back.

A server's updates are put together as text with its times; the measures are then those of `latency`. A word is *final*
when the server will not change it, *steady* from when it stands on the screen as it does at the end: a reader cannot
know that it will, so steady times are the best that could have been read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from ...backends.measured.streams.session import ADDED, FAILED, FINAL
from ...datasets.recording import Word
from .latency import Emitted, common_prefix

STALL_S = 5.0  # a spoken word that waits longer for any change of the text; an assumption: about a sentence


@dataclass(frozen=True, slots=True)
class Said:
    """What a server said about the text, and when: a `backends.measured.streams.session.Update` with its time.

    at_s: in seconds of the recording. Updates of one message have the same time.
    kind, part, text: as of the update.
    """

    at_s: float
    kind: str
    part: str
    text: str


@dataclass(frozen=True, slots=True)
class Screen:
    """The text after a message, at `at_s` seconds of the recording. final: words for good. shown: these and others."""

    at_s: float
    final: tuple[str, ...]
    shown: tuple[str, ...]


def read_screens(said: Iterable[Said]) -> Iterator[Screen]:
    """Yield the text after each message, parts in the order in which they were first named."""
    texts, final = dict[str, str](), set[str]()
    for at_s, message in groupby(said, key=lambda one: one.at_s):
        for one in message:
            if one.kind != FAILED:
                texts[one.part] = texts.get(one.part, "") + one.text if one.kind == ADDED else one.text
            if one.kind == FINAL:
                final.add(one.part)
        yield Screen(
            at_s,
            tuple(" ".join(text for part, text in texts.items() if part in final).split()),
            tuple(" ".join(texts.values()).split()),
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """A text that has come to its end.

    words: the last text, each with the time since which it and all before it have stood as they do there.
    erased: how many words were taken back on the way: all after the longest common prefix of a text with the next.
    changed_at_s: when the text changed.
    """

    words: tuple[Emitted, ...]
    erased: int
    changed_at_s: tuple[float, ...]

    @property
    def erasure(self) -> float | None:
        """Normalised erasure: words taken back for each that remains; None without words.

        Arivazhagan et al. 2020 (arXiv 2004.03643), on words as they are written: a comma more is another word.
        """
        return self.erased / len(self.words) if self.words else None


def settle(texts: Iterable[tuple[float, Sequence[str]]]) -> Settled:
    """Return the last of `texts`, each with the time at which it took the place of the one before."""
    words: list[Emitted] = []
    erased, changed_at_s = 0, list[float]()
    for number, (at_s, text) in enumerate(texts):
        kept = common_prefix([word.text for word in words], text)
        if kept < max(len(words), len(text)):
            changed_at_s.append(at_s)
        erased += len(words) - kept
        words[kept:] = [Emitted(word, at_s, at_s, number) for word in text[kept:]]
    return Settled(tuple(words), erased, tuple(changed_at_s))


def find_stalls(words: Sequence[Word], changed_at_s: Sequence[float], ended_at_s: float) -> list[float]:
    """Return how long the text stood still while somebody spoke, in seconds, wherever that was more than `STALL_S`.

    Counted from the end of the first word that was spoken after a change until the next change, or until the stream
    ended: silence is no stall.
    """
    found = []
    for before_s, after_s in pairwise([float("-inf"), *changed_at_s, ended_at_s]):
        first_s = next((word.end_s for word in words if before_s < word.end_s <= after_s), after_s)
        if after_s - first_s > STALL_S:
            found.append(after_s - first_s)
    return found
