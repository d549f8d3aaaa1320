"""Errors word by word: reference above hypothesis on the terminal, marked in a line of HTML in the report."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.text import Text

from ..speech.metrics.align import DELETION, HIT, INSERTION, SUBSTITUTION
from .markup import Markup, el, join

CONTEXT_WORDS = 4  # right words kept on each side of an error
_STYLES = {SUBSTITUTION: "yellow", INSERTION: "red", DELETION: "cyan"}
_MARKS = {HIT: "", SUBSTITUTION: "S", INSERTION: "I", DELETION: "D"}
_TAGS = {SUBSTITUTION: "substituted", INSERTION: "inserted", DELETION: "deleted"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One step of an alignment; a side is empty where the other has an insertion or a deletion."""

    step: int
    reference: str
    hypothesis: str


def pairs(reference: list[str], hypothesis: list[str], steps: Iterable[int]) -> Iterator[Pair]:
    """The steps of an alignment with their words."""
    refs, hyps = iter(reference), iter(hypothesis)
    for step in steps:
        yield Pair(step, "" if step == INSERTION else next(refs), "" if step == DELETION else next(hyps))


def excerpts(aligned: list[Pair]) -> list[list[Pair]]:
    """The stretches around errors, with some words on each side; stretches that meet are one."""
    wrong = np.array([pair.step != HIT for pair in aligned])
    near = np.convolve(wrong, np.ones(2 * CONTEXT_WORDS + 1), "same") > 0 if len(wrong) else wrong
    stretches: list[list[Pair]] = []
    for index, pair in enumerate(aligned[: len(near)]):
        if near[index]:
            if index == 0 or not near[index - 1]:
                stretches.append([])
            stretches[-1].append(pair)
    return stretches


def show_alignment(title: str, aligned: list[Pair], limit: int = 12) -> None:
    """Print the stretches with errors in three lines each, as jiwer lays them out; in colour on a terminal."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(title, style="bold"))
    stretches = excerpts(aligned)
    for stretch in stretches[:limit]:
        lines = [Text("  REF: "), Text("  HYP: "), Text("       ")]
        for pair in stretch:
            width = max(len(pair.reference), len(pair.hypothesis)) + 1
            style = _STYLES.get(pair.step, "")
            lines[0].append((pair.reference or "*" * (width - 1)).ljust(width), style=style)
            lines[1].append((pair.hypothesis or "*" * (width - 1)).ljust(width), style=style)
            lines[2].append(_MARKS[pair.step].ljust(width), style=style)
        for line in lines:
            line.rstrip()
            console.print(line)
    if len(stretches) > limit:
        console.print(f"  ... and {len(stretches) - limit} more stretches with errors; the report shows them")


def alignment_markup(aligned: list[Pair]) -> Markup:
    """The stretches with errors as HTML: deleted words struck out, inserted and substituted ones marked."""
    parts: list[Markup] = []
    for stretch in excerpts(aligned):
        words = [
            el("span", pair.reference)
            if pair.step == HIT
            else join(
                el("del", pair.reference, class_=_TAGS[pair.step]) if pair.reference else None,
                " " if pair.step == SUBSTITUTION else None,
                el("ins", pair.hypothesis, class_=_TAGS[pair.step]) if pair.hypothesis else None,
            )
            for pair in stretch
        ]
        parts.append(el("li", *(join(word, " ") for word in words)))
    return el("ul", *parts, class_="errors")


class ErrorCounts:
    """How often each word was substituted by which, inserted, or deleted."""

    def __init__(self) -> None:
        self._counts: dict[int, Counter[tuple[str, ...]]] = {step: Counter() for step in _TAGS}

    def add(self, reference: list[str], hypothesis: list[str], steps: np.ndarray) -> None:
        """Count the errors of one alignment."""
        for pair in pairs(reference, hypothesis, steps.tolist()):
            if pair.step != HIT:
                self._counts[pair.step][tuple(filter(None, (pair.reference, pair.hypothesis)))] += 1

    def most_common(self, top: int = 10) -> dict[str, list[list[str | int]]]:
        """The most frequent substitutions [reference, hypothesis, count], insertions and deletions [word, count]."""
        names = {SUBSTITUTION: "substitutions", INSERTION: "insertions", DELETION: "deletions"}
        found = {}
        for step, counter in self._counts.items():
            # Ties in the order of the alphabet, so that the same run always gives the same list.
            ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:top]
            found[names[step]] = [[*words, count] for words, count in ranked]
        return found
