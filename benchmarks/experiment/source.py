"""Recordings as an experiment hears them: chosen, joined, shortened, with word times; a portion at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from ...backends.errors import InputError
from ...datasets import Dataset, Entry, Recording, open_dataset
from ...datasets.recording import Word, head
from ...datasets.selection import Stream, join_streams, sample
from ...speech.asr.transcriber import Transcriber
from .experiment import Experiment
from .progress import Progress
from .records import AlignedWords, Failure, Heard, Reference

_PORTION_S = 1800.0  # audio in memory at a time: half an hour is 115 MB

Unit = Entry | Stream  # what is heard as one recording


@dataclass(slots=True)
class Source:
    """What an experiment listens to. Recordings are read when their portion's turn comes, and told of once.

    datasets: as they were opened.
    units: what is heard, each as one recording.
    failed: what could not be read.
    references: of all that was heard.
    aligned: how many words were timed by the model that hears.
    """

    experiment: Experiment
    datasets: tuple[Dataset, ...]
    units: tuple[Unit, ...]
    failed: list[Failure] = field(default_factory=list)
    references: dict[str, Reference] = field(default_factory=dict)
    aligned: AlignedWords | None = None
    _words: dict[str, tuple[Word, ...] | None] = field(default_factory=dict)
    _kept: list[list[Recording]] = field(default_factory=list)

    @classmethod
    def open(cls, experiment: Experiment) -> "Source":
        """Return the source of an experiment. Raises `InputError` for a dataset that cannot be opened."""
        defects: list[str] = []
        datasets = tuple(open_dataset(name, defects) for name in experiment.datasets)
        if not datasets:
            raise InputError("no dataset; give one, for example dataset='talks-clean'")
        names = [dataset.name for dataset in datasets]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError(
                f"--dataset: two are called {twice!r}; name each once, and evaluate other forms of it apart"
            )
        units = tuple(_units(datasets, experiment))
        if not units:
            raise InputError(f"{', '.join(names)}: no recording is left; choose more of it")
        return cls(experiment, datasets, units, failed=[Failure("-", defect) for defect in defects])

    @classmethod
    def of(cls, experiment: Experiment, recordings: Sequence[Recording]) -> "Source":
        """Return a source of recordings that are in memory, as they are."""
        references = {recording.id: Reference.of(recording) for recording in recordings}
        return cls(experiment, (), (), references=references, _kept=[list(recordings)])

    @property
    def audio_s(self) -> float:
        """Seconds of audio in all units, as far as they are to be heard."""
        return sum(min(unit.duration_s, self.experiment.head_s or unit.duration_s) for unit in self.units)

    def portions(self, whisper: Callable[[], Transcriber], progress: Progress) -> Iterator[list[Recording]]:
        """Yield recordings in order, as many at a time as are to be in memory. Raises `InputError` if none is read.

        May be called again: a source of one portion keeps it, a larger one is read again.

        whisper: gives what aligns references that have no word times.
        """
        if self._kept:
            yield from self._kept
            return
        portions = list(_portions(self.units))
        for portion in portions:
            recordings = self._timed(self._load(portion, progress), whisper)
            if self.experiment.head_s:
                recordings = [head(recording, self.experiment.head_s) for recording in recordings]
            self.references |= {recording.id: Reference.of(recording) for recording in recordings}
            if len(portions) == 1:
                self._kept = [recordings]
            yield recordings
        if not self.references:
            many = len(self.failed) > 1
            first = self.failed[0].reason
            raise InputError(
                f"none of {len(self.failed)} recordings can be read; the first: {first}" if many else first
            )

    def _load(self, portion: Sequence[Unit], progress: Progress) -> list[Recording]:
        known, recordings = {failure.recording for failure in self.failed}, []
        for unit in portion:
            if unit.id in known:
                continue
            try:
                recordings.append(unit.load())
            except InputError as error:
                self.failed.append(Failure(unit.id, str(error)))
                if len(self.units) > 1:  # what is left of one is the error that ends it
                    progress.say(f"skipped: {error}")
        return recordings

    def _timed(self, recordings: list[Recording], whisper: Callable[[], Transcriber]) -> list[Recording]:
        """The recordings, those without word times aligned by the model that hears, with full context."""
        if self.experiment.word_times != "model":
            return recordings
        bare = [r for r in recordings if r.words is None and r.text.strip() and r.id not in self._words]
        if bare:
            from ...speech.asr.word_times import add_word_times as add_word_times  # imports numba, which takes seconds

            engine = whisper()
            found = add_word_times(bare, engine)
            before = self.aligned or AlignedWords(engine.recogniser.name, 0, 0, 0)
            self.aligned = replace(
                before,
                recordings=before.recordings + sum(one.found > 0 for one in found),
                words=before.words + sum(len(one.recording.words or ()) for one in found),
                found=before.found + sum(one.found for one in found),
            )
            self._words |= {one.recording.id: one.recording.words for one in found}
        return [replace(r, words=self._words[r.id]) if r.id in self._words else r for r in recordings]

    def heard(self) -> tuple[Heard, ...]:
        """Return what was heard of each dataset."""
        return tuple(self._heard(dataset) for dataset in self.datasets)

    def joined(self) -> dict[str, tuple[str, ...]]:
        """Return of which recordings each stream was made, in order."""
        streams = [unit for unit in self.units if isinstance(unit, Stream) and self._was_heard(unit)]
        return {stream.id: tuple(entry.id for entry in stream.entries) for stream in streams}

    def _was_heard(self, unit: Unit) -> bool:
        return unit.id not in {failure.recording for failure in self.failed}

    def _heard(self, dataset: Dataset) -> Heard:
        prefix = f"{dataset.name}:" if len(self.datasets) > 1 else ""
        units = [unit for unit in self.units if unit.id.startswith(prefix) and self._was_heard(unit)]
        entries = tuple(
            replace(entry, id=entry.id.removeprefix(prefix))
            for unit in units
            for entry in (unit.entries if isinstance(unit, Stream) else (unit,))
        )
        own = [one for one in self.references.values() if one.dataset == dataset.name]
        of = "" if len(entries) == len(dataset) else f"{len(entries)} of {len(dataset)} recordings of "
        starts = f"the first {self.experiment.head_s:g} s of " if self.experiment.head_s else ""
        return Heard(
            name=dataset.name,
            part=starts + of + dataset.name,
            licence=dataset.licence,
            recordings=len(entries),
            audio_s=round(sum(one.duration_s for one in own), 2),
            words=sum(len(one.text.split()) for one in own),
            of_recordings=len(dataset),
            of_audio_s=round(dataset.audio_s, 2),
            digest=replace(dataset, entries=entries).digest(),
        )


def _units(datasets: Sequence[Dataset], experiment: Experiment) -> list[Unit]:
    """What is heard, each as one recording: entries or joined streams, all, a sample, or the first.

    The first are taken of several datasets in turn, so that each of them is heard.
    """
    parts: list[list[Unit]] = []
    for dataset in datasets:
        by, longest_s = experiment.join, experiment.longest_s
        own: list[Unit] = [*(join_streams(dataset.entries, by, experiment.gap_s) if by else dataset.entries)]
        own = [unit for unit in own if not longest_s or unit.duration_s <= longest_s]
        # Ids are unique within a dataset only.
        parts.append([replace(unit, id=f"{dataset.name}:{unit.id}") for unit in own] if len(datasets) > 1 else own)
    units = [unit for part in parts for unit in part]
    if experiment.hours:
        units = sample(units, experiment.hours, experiment.seed)
    ids = [{unit.id for unit in part} for part in parts]
    turns = zip_longest(*([unit.id for unit in units if unit.id in own] for own in ids))
    first = set([name for turn in turns for name in turn if name is not None][: experiment.recordings])
    return [unit for unit in units if unit.id in first]


def _portions(units: Sequence[Unit]) -> Iterator[list[Unit]]:
    """Units in order, as many at a time as are to be in memory."""
    portion: list[Unit] = []
    for unit in units:
        if portion and sum(one.duration_s for one in portion) + unit.duration_s > _PORTION_S:
            yield portion
            portion = []
        portion.append(unit)
    if portion:
        yield portion
