"""Kaldi data folders: `wav.scp` and `text`, with `segments`, `utt2spk` and `utt2dur` where they are there."""

from collections.abc import Iterator
from pathlib import Path

from ...backends.errors import InputError
from ...backends.reading import shown
from ..defects import Defects, report_to
from ..recording import Dataset
from .entries import EntryList, seconds
from .lines import text_lines


def recognises(path: Path) -> bool:
    return path.is_dir() and (path / "wav.scp").is_file()


def open_kaldi(path: Path, name: str | None = None, defects: Defects = None) -> Dataset:
    """Return the utterances of `text`, or what `segments` cuts; the group is the recording of a segment.

    Pipes in wav.scp are refused: a list of files must not run programs. Raises `InputError`, or adds to `defects`.
    """
    entries = EntryList(path, name or shown(path), defects)
    wavs = _table(path / "wav.scp", defects, required=True)
    texts = _table(path / "text", defects, required=True, may_be_empty=True)
    segments, speakers = _table(path / "segments", defects), _table(path / "utt2spk", defects)
    durations = _table(path / "utt2dur", defects)
    for utterance, (text, origin) in texts.items():
        with report_to(defects):
            recording, offset_s, duration_s = utterance, None, None
            if segments:
                recording, offset_s, duration_s = _segment(utterance, segments, origin)
            elif utterance in durations:
                stated, where = durations[utterance]
                duration_s = seconds(stated, f"{where}: duration")
            if recording not in wavs:
                raise InputError(f"{origin}: no audio for {shown(recording)!r} in wav.scp")
            wav, where = wavs[recording]
            if wav.endswith("|") or wav.startswith("|") or wav == "-":
                raise InputError(f"{where}: {shown(wav[:60])!r} is a command; expected a file: decode it to one first")
            speaker, group = speakers.get(utterance, (None, ""))[0], recording if segments else None
            entries.add(
                utterance, wav, text, origin, speaker=speaker, group=group, offset_s=offset_s, duration_s=duration_s
            )
    for missing in sorted((segments or wavs).keys() - texts.keys()):
        with report_to(defects):
            raise InputError(f"{(segments or wavs)[missing][1]}: no transcript for {shown(missing)!r} in text")
    return entries.dataset_of(path, "wav.scp and text")


def _table(
    path: Path, defects: Defects, required: bool = False, may_be_empty: bool = False
) -> dict[str, tuple[str, str]]:
    """Return value and origin by key, of lines `KEY VALUE`."""
    if not required and not path.is_file():
        return {}
    return {key: (value, origin) for key, value, origin in _lines(path, defects, may_be_empty)}


def _lines(path: Path, defects: Defects, may_be_empty: bool) -> Iterator[tuple[str, str, str]]:
    seen: dict[str, str] = {}
    for number, line in text_lines(path, defects):
        key, _, value = line.partition(" ")
        key, _, tabbed = key.partition("\t")
        value, origin = f"{tabbed} {value}".strip(), f"{shown(path)}:{number}"
        with report_to(defects):
            if not value and not may_be_empty:
                raise InputError(f"{origin}: {shown(line[:60])!r}; expected KEY VALUE")
            if key in seen:
                raise InputError(f"{origin}: duplicate id {key!r}, also at {seen[key]}")
            seen[key] = origin
            yield key, value, origin


def _segment(
    utterance: str, segments: dict[str, tuple[str, str]], origin: str
) -> tuple[str, float | None, float | None]:
    if utterance not in segments:
        raise InputError(f"{origin}: {shown(utterance)!r} is not in segments")
    value, where = segments[utterance]
    fields = value.split()
    if len(fields) != 3:
        raise InputError(f"{where}: expected UTTERANCE RECORDING START END")
    start_s = seconds(fields[1], f"{where}: start")
    if fields[2] == "-1":  # to the end of the recording
        return fields[0], start_s, None
    end_s = seconds(fields[2], f"{where}: end")
    if end_s <= start_s:
        raise InputError(f"{where}: from {start_s:g} s to {end_s:g} s; expected the end after the start")
    return fields[0], start_s, end_s - start_s
