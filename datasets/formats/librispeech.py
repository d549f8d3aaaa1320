"""LibriSpeech: SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac, with the texts of a chapter in one .trans.txt."""

import os
from pathlib import Path

from ...backends.errors import InputError
from ...backends.reading import shown
from ..defects import Defects, report_to
from ..recording import Dataset
from .entries import EntryList
from .folder import AUDIO_SUFFIXES, visible_files
from .lines import text_lines

_ENDING = ".trans.txt"


def recognises(path: Path) -> bool:
    """Return whether a folder holds a *.trans.txt, up to five levels down (LibriSpeech/test-clean/SPEAKER/CHAPTER)."""
    return path.is_dir() and any(next(path.glob("*/" * depth + "*" + _ENDING), None) for depth in range(5))


def open_librispeech(path: Path, name: str | None = None, defects: Defects = None) -> Dataset:
    """Return the utterances of the folder; the group is the chapter. Nothing is decoded.

    Raises `InputError` for a line without audio, audio without a line and all that `EntryList` refuses, or adds it
    to `defects` and leaves that utterance out.
    """
    entries = EntryList(path, name or shown(path), defects)
    files = visible_files(path, defects)
    audio = {file.with_suffix(""): file for file in files if file.suffix.lower() in AUDIO_SUFFIXES}
    listed = set()
    for transcript in sorted(file for file in files if file.name.endswith(_ENDING)):
        for number, line in text_lines(transcript, defects):
            utterance, _, text = line.partition(" ")
            listed.add(transcript.parent / utterance)
            origin = f"{shown(transcript)}:{number}"
            with report_to(defects):
                found = audio.get(transcript.parent / utterance)
                if found is None:
                    raise InputError(f"{origin}: no audio for {shown(utterance)!r}: no {shown(utterance)}.flac beside")
                speaker, _, _ = utterance.partition("-")
                chapter = transcript.name.removesuffix(_ENDING)
                relative = os.path.relpath(found, path)
                entries.add(utterance, relative, text.strip(), origin, speaker=speaker, group=chapter)
    for stem in sorted(audio.keys() - listed):
        with report_to(defects):
            raise InputError(f"{shown(audio[stem])}: no transcript: no line in a {_ENDING} beside it")
    return entries.dataset_of(path, "SPEAKER/CHAPTER/*.flac with SPEAKER-CHAPTER.trans.txt")
