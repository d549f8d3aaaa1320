"""Recordings, and the datasets they come in: text in memory, audio read only when a recording is loaded."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..backends.errors import InputError
from .audio import SAMPLE_RATE, read_audio
from .fetched import fetch_audio


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word of the reference.

    start_s, end_s: in seconds from the start of its recording.
    """

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Audio plus its reference text, to be played as a live stream.

    id: unique in its dataset.
    audio: mono float32 at 16 kHz, shape = (samples,).
    text: what is said, as the dataset writes it.
    words: the words of the text with their times; None where there are none.
    dataset: the name of its dataset.
    speaker: None where nothing says who speaks, or several do.
    """

    id: str
    audio: np.ndarray
    text: str
    words: tuple[Word, ...] | None
    dataset: str
    speaker: str | None

    @property
    def duration_s(self) -> float:
        return len(self.audio) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording of a dataset before its audio is read.

    id, text, words, speaker, dataset: as of the `Recording`.
    audio_path: the file that it is in.
    duration_s: 0 where no manifest states it and the file cannot be opened: `load()` then says why.
    offset_s: where in the file it begins, in seconds; None where it is the whole file.
    origin: where the entry is defined: `FILE:LINE` of a manifest, or the transcript's path.
    group: what it is a part of, a chapter or a talk; None where nothing says so.
    condition: under what it was recorded, `clean` or `noisy` in the bundled talks; None where nothing says so.
    url: of the audio in an object store; `audio_path` is then no file.
    """

    id: str
    audio_path: Path
    text: str
    words: tuple[Word, ...] | None
    duration_s: float
    offset_s: float | None
    speaker: str | None
    dataset: str
    origin: str
    group: str | None = None
    condition: str | None = None
    url: str | None = None

    @property
    def file(self) -> Path:
        """The audio on this machine, after fetching it if need be. Raises `InputError`."""
        if self.url is None:
            return self.audio_path
        return fetch_audio(self.url)

    def load(self) -> Recording:
        """Return the recording with its audio. Raises `InputError`, naming entry and origin, if there is none."""
        try:
            if self.offset_s is None:
                audio = read_audio(self.file)
            else:
                audio = read_audio(self.file, self.offset_s, self.duration_s)
        except InputError as error:
            raise InputError(f"{self.origin}: recording {self.id!r}: {error}") from error
        return Recording(self.id, audio, self.text, self.words, self.dataset, self.speaker)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named list of entries.

    path: where it was found.
    licence: as the dataset states it; None where it states none.
    """

    name: str
    path: Path
    entries: tuple[Entry, ...]
    licence: str | None

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def audio_s(self) -> float:
        """Return the total length in seconds."""
        return sum(entry.duration_s for entry in self.entries)

    @property
    def speakers(self) -> frozenset[str]:
        """Return the speakers that are named; entries without one add nothing."""
        return frozenset(entry.speaker for entry in self.entries if entry.speaker is not None)

    def digest(self) -> str:
        """Return the SHA-256 in hexadecimal of what is scored: ids, texts, segments and the bytes of the audio files.

        Neither name nor folder counts: a copy has the digest of its original. Each file is read once.
        Raises `InputError` for an audio file that cannot be read.
        """
        total, of_file = hashlib.sha256(), dict[Path, str]()
        for entry in self.entries:
            if entry.audio_path not in of_file:
                of_file[entry.audio_path] = _file_digest(entry)
            end_s = None if entry.offset_s is None else entry.offset_s + entry.duration_s
            for field in (entry.id, entry.text, repr(entry.offset_s), repr(end_s), of_file[entry.audio_path]):
                encoded = field.encode()
                # The length keeps "ab" + "c" apart from "a" + "bc".
                total.update(len(encoded).to_bytes(8, "big") + encoded)
        return total.hexdigest()


def _file_digest(entry: Entry) -> str:
    try:
        with open(entry.file, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{entry.origin}: recording {entry.id!r}: {error.strerror}") from error


def head_id(whole: str, limit_s: float) -> str:
    """Return the id of the start of a recording that was longer."""
    return f"{whole} 0-{limit_s:g} s"


def head(recording: Recording, limit_s: float) -> Recording:
    """Return the start of a recording: the words that end within `limit_s`, and the audio up to the last of them.

    The whole recording where it is no longer, or where without word times nobody knows which words to keep.
    """
    if recording.words is None or recording.duration_s <= limit_s:
        return recording
    words = tuple(word for word in recording.words if word.end_s <= limit_s)
    if not words:
        return recording
    # Half of the silence that follows, so that the last word is not cut.
    following_s = recording.words[len(words)].start_s if len(words) < len(recording.words) else recording.duration_s
    end_s = min(limit_s, (words[-1].end_s + max(words[-1].end_s, following_s)) / 2)
    samples = round(end_s * len(recording.audio) / recording.duration_s)
    text = " ".join(word.text for word in words)
    return replace(
        recording,
        id=head_id(recording.id, limit_s),
        audio=recording.audio[:samples],
        text=text,
        words=words,
    )
