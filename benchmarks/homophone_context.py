"""What the words around it tell of a homophone's spelling: how far its errors can fall as a window grows.

    pip install 'earspan[language]'
    python -m earspan.benchmarks.homophone_context            # talks, windows of 1 to 30 s

A word model of the training text of `pocket` (order 4, Witten and Bell's interpolation, by NLTK) reads the true words
of each disjoint window, all but the homophone, and chooses its spelling. It hears nothing wrongly and never looks
beyond the window, so its errors are those of the language alone. The recogniser's own are in `pocket_card`.
"""

import argparse
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

from ..backends.errors import InputError
from ..datasets import Recording, open_dataset
from ..speech.pocket.natural import natural_sentences, running_text
from ..speech.regimes import normalise
from ..speech.score import ErrorRate
from .options import seconds_list
from .playing import load_recordings
from .pocket_card import HALVES, WINDOWS_S, cell, one_word_homophones, row

ORDER = 4
BEGIN, END = "<s>", "</s>"


class WordModel(Protocol):
    """What chooses: a model of words, such as NLTK's."""

    def score(self, word: str, context: Sequence[str]) -> float:
        """The probability of `word` after `context`."""
        ...


class Place(NamedTuple):
    """A word as the model reads it, and the window that holds its middle."""

    word: str
    window: int


def word_model(sentences: Iterable[str], order: int = ORDER) -> WordModel:
    """NLTK's model of the words of `sentences`. Raises `InputError` if it is not installed."""
    try:
        from nltk.lm import WittenBellInterpolated
        from nltk.lm.preprocessing import padded_everygram_pipeline
    except ImportError:
        raise InputError("NLTK is not installed; type: pip install 'earspan[language]'") from None
    model: Any = WittenBellInterpolated(order)
    model.fit(*padded_everygram_pipeline(order, [normalise(sentence).split() for sentence in sentences]))
    return model


def places(recording: Recording, window_s: float, order: int = ORDER) -> list[Place]:
    """The words of a recording as the normaliser writes them, with the marks around its sentences.

    Raises `InputError` where it has no word times.
    """
    if not recording.words:
        raise InputError(f"{recording.id} has no word times; expected a dataset that has them, such as talks-clean")
    found, padding = [], order - 1
    begins = True
    for word in recording.words:
        window = int((word.start_s + word.end_s) / 2 / window_s)
        found += [Place(BEGIN, window)] * (padding * begins)
        found += [Place(written, window) for written in normalise(word.text).split()]
        begins = word.text[-1] in ".?!"
        found += [Place(END, window)] * (padding * begins)
    return found


def chosen(model: WordModel, read: Sequence[Place], at: int, alike: Iterable[str], order: int = ORDER) -> str:
    """Which of `alike` is most probable at `at`, given the words before and after it in the same window."""
    reach = [n for n in range(max(0, at - order + 1), min(len(read), at + order)) if read[n].window == read[at].window]

    def likelihood(candidate: str) -> float:
        words = [candidate if n == at else read[n].word for n in reach]
        here = reach.index(at)
        scores = (model.score(words[n], words[max(0, n - order + 1) : n]) for n in range(here, len(words)))
        return sum(math.log(max(score, 1e-12)) for score in scores)

    return max(sorted(alike), key=likelihood)


def spelling_errors(
    model: WordModel, recordings: Sequence[Recording], groups: Mapping[str, frozenset[str]], window_s: float
) -> list[ErrorRate]:
    """For each recording how many of its words that sound like others the model spells as one of those."""
    rates = []
    for recording in recordings:
        read = places(recording, window_s)
        asked = [at for at, place in enumerate(read) if place.word in groups]
        wrong = sum(chosen(model, read, at, groups[read[at].word]) != read[at].word for at in asked)
        rates.append(ErrorRate(wrong, 0, 0, len(asked)))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--windows", type=seconds_list, default=WINDOWS_S, metavar="S,S,...")
    parser.add_argument("--datasets", default=",".join(HALVES), help=f"with word times (default: {','.join(HALVES)})")
    options = parser.parse_args()
    groups = one_word_homophones()
    try:
        sets = {name: load_recordings(open_dataset(name))[0] for name in options.datasets.split(",")}
        for recording in chain(*sets.values()):
            places(recording, math.inf)  # refused here, not after minutes of reading
        model = word_model(chain(natural_sentences(), *running_text()))
        print("| window | " + " | ".join(sets) + " |\n| ---: |" + " --- |" * len(sets))
        for window_s in options.windows:
            cells = [cell(row(spelling_errors(model, recordings, groups, window_s))) for recordings in sets.values()]
            print(f"| {window_s:g} s | " + " | ".join(cells) + " |", flush=True)
    except InputError as error:
        print(f"homophone_context: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
