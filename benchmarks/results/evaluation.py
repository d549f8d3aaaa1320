"""One setting in detail: errors by dataset, speaker and recording, and which words they are."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import jiwer
import numpy as np

from ...speech.metrics.align import DELETION, HIT, INSERTION, SUBSTITUTION
from ...speech.metrics.wer import aligned_words, wer_interval
from ..experiment.experiment import Experiment
from ..experiment.records import Run
from .latency import Aligned
from .records import Evaluation, Group, RecordingScore, Results
from .units import pool, units_of


@dataclass(frozen=True, slots=True)
class WordPair:
    """One step of an alignment (see `speech.metrics.align`); a side is empty where the other has a word too many."""

    step: int
    reference: str
    hypothesis: str


def pair_words(reference: list[str], hypothesis: list[str], steps: Iterable[int]) -> Iterator[WordPair]:
    """Yield the steps of an alignment with their words."""
    refs, hyps = iter(reference), iter(hypothesis)
    for step in steps:
        yield WordPair(step, "" if step == INSERTION else next(refs), "" if step == DELETION else next(hyps))


@dataclass(slots=True)
class _ErrorCounts:
    """How often each word was substituted by which, inserted, or deleted."""

    counts: dict[int, Counter[tuple[str, ...]]] = field(
        default_factory=lambda: {step: Counter() for step in (SUBSTITUTION, INSERTION, DELETION)}
    )

    def add(self, reference: list[str], hypothesis: list[str], steps: np.ndarray) -> None:
        """Count the errors of one alignment."""
        for pair in pair_words(reference, hypothesis, steps.tolist()):
            if pair.step != HIT:
                self.counts[pair.step][tuple(filter(None, (pair.reference, pair.hypothesis)))] += 1

    def most_common(self, top: int = 10) -> dict[str, tuple[tuple[str | int, ...], ...]]:
        """Return the most frequent errors of each kind; ties in the order of the alphabet, always the same."""
        names = {SUBSTITUTION: "substitutions", INSERTION: "insertions", DELETION: "deletions"}
        return {
            names[step]: tuple(
                (*words, count) for words, count in sorted(own.items(), key=lambda item: (-item[1], item[0]))[:top]
            )
            for step, own in self.counts.items()
        }


def evaluate(run: Run, items: Sequence[Aligned], experiment: Experiment) -> Evaluation:
    """Return the errors of one setting, `items`, in detail."""
    counts, characters = _ErrorCounts(), dict[str, tuple[int, int]]()  # edits, and of how many characters
    references, hypotheses = run.texts([item.track for item in items])
    for index, reference, hypothesis, steps in aligned_words(references, hypotheses, experiment.normaliser):
        if items[index].errors.errors:
            counts.add(reference, hypothesis, steps)
        said = " ".join(reference)
        characters[items[index].reference.id] = _character_edits(said, " ".join(hypothesis)), len(said)
    silent = [item for item in items if item.errors.ref_words == 0]

    def group(name: str, own: Sequence[Aligned]) -> Group:
        errors = pool(item.errors for item in own)
        edits, ref_characters = (
            sum(part) for part in zip((0, 0), *(characters[i.reference.id] for i in own), strict=True)
        )
        ends = wer_interval(list(units_of(own)[1].values()), experiment.seed)
        cer = edits / ref_characters if ref_characters else None
        return Group(name, len(own), errors.rate, ends, errors, cer, ref_characters)

    def groups(by: str) -> tuple[Group, ...]:
        found: dict[str, list[Aligned]] = {}
        for item in items:
            found.setdefault(getattr(item.reference, by) or "", []).append(item)
        return tuple(group(name, own) for name, own in sorted(found.items()) if name)

    return Evaluation(
        total=group("all", items),
        by_dataset=groups("dataset"),
        by_speaker=groups("speaker"),
        by_recording=tuple(_recording(item, *characters[item.reference.id]) for item in items),
        silent_recordings=len(silent),
        silent_insertions=sum(item.errors.insertions for item in silent),
        common=counts.most_common(),
    )


def _recording(item: Aligned, edits: int, ref_characters: int) -> RecordingScore:
    reference, errors = item.reference, item.errors
    cer = edits / ref_characters if ref_characters else None
    return RecordingScore(reference.id, reference.speaker, reference.dataset, errors.rate, errors, cer)


def _character_edits(reference: str, hypothesis: str) -> int:
    if not reference:
        return len(hypothesis)
    found = jiwer.process_characters(reference, hypothesis)
    return found.substitutions + found.deletions + found.insertions


def worst_recordings(run: Run, results: Results, count: int) -> list[tuple[RecordingScore, list[WordPair]]]:
    """Return the recordings with the most errors, with their alignments, worst first; none without an evaluation."""
    rows = results.evaluation.by_recording if results.evaluation else ()
    wrong = [row for row in rows if row.errors.errors]
    chosen = sorted(wrong, key=lambda row: (-row.errors.errors, row.recording))[:count]
    tracks = {track.recording: track for track in run.tracks}
    references, hypotheses = run.texts([tracks[row.recording] for row in chosen])
    found = {
        index: list(pair_words(reference, hypothesis, steps.tolist()))
        for index, reference, hypothesis, steps in aligned_words(references, hypotheses, results.experiment.normaliser)
    }
    return [(row, found[index]) for index, row in enumerate(chosen)]
