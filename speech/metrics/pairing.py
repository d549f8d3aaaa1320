"""Spoken and committed words side by side, as they were scored, each with the raw words it stands for.

Scoring rules may split, merge or drop words ("it's" becomes "it is", "twenty one" 21), but times belong to raw words.
So each scored word keeps the raw words that it came from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .align import DELETION, HIT, INSERTION, align
from .normalise import normalise
from .wer import aligned_words


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it was compared; it stands for the raw words `first` up to and without `end`."""

    text: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Pair:
    """One step of an alignment (`HIT`, `SUBSTITUTION`, ...). `said` is None of an insertion, `heard` of a deletion."""

    step: int
    said: Token | None
    heard: Token | None


def pair_words(said: Sequence[str], heard: Sequence[str], normaliser: str = "whisper") -> list[Pair]:
    """Return the raw words `said` and `heard`, aligned as the rules `normaliser` score them."""
    return next(pair_texts([said], [heard], normaliser))[1]


def pair_texts(
    said: Sequence[Sequence[str]], heard: Sequence[Sequence[str]], normaliser: str = "whisper"
) -> Iterator[tuple[int, list[Pair]]]:
    """Yield the index of each pair of texts with what `pair_words` returns for it, in no order."""
    texts = [" ".join(words) for words in said], [" ".join(words) for words in heard]
    for index, references, hypotheses, steps in aligned_words(*texts, normaliser):
        left = iter(_tokens(tuple(said[index]), tuple(references), normaliser))
        right = iter(_tokens(tuple(heard[index]), tuple(hypotheses), normaliser))
        pairs = [
            Pair(step, None if step == INSERTION else next(left), None if step == DELETION else next(right))
            for step in steps.tolist()
        ]
        yield index, pairs


@lru_cache(maxsize=1 << 6)  # a recording is scored again for every window and backend
def _tokens(words: tuple[str, ...], scored: tuple[str, ...], normaliser: str) -> tuple[Token, ...]:
    """Return the words as scored with where they came from, found by what the rules make of each raw word alone."""
    alone = [Token(text, i, i + 1) for i, word in enumerate(words) for text in normalise(word, normaliser).split()]
    texts = [token.text for token in alone]
    if texts == list(scored):
        return tuple(alone)
    tokens: list[Token] = []
    waiting: list[str] = []  # scored words of a stretch where the two differ
    merged: list[Token] = []  # and what the raw words became alone there
    at_scored = at_alone = 0
    for step in [*align(scored, texts).tolist(), HIT]:
        if step == HIT:
            tokens += _carried(waiting, merged, tokens[-1].end if tokens else 0, len(words))
            waiting, merged = [], []
            tokens += alone[at_alone : at_alone + 1]
        if step != INSERTION:
            waiting += scored[at_scored : at_scored + 1] if step != HIT else ()
            at_scored += 1
        if step != DELETION:
            merged += alone[at_alone : at_alone + 1] if step != HIT else ()
            at_alone += 1
    return tuple(tokens)


def _carried(texts: Sequence[str], merged: Sequence[Token], before: int, count: int) -> list[Token]:
    """Return `texts` one for one over as many raw words, else each over all of them.

    A text out of nothing takes the last.
    """
    if len(texts) == len(merged):
        return [Token(text, token.first, token.end) for text, token in zip(texts, merged, strict=True)]
    if merged:
        return [Token(text, merged[0].first, merged[-1].end) for text in texts]
    end = min(max(before, 1), count)
    return [Token(text, end - 1, end) for text in texts]
