"""Earnings-21 and Earnings-22: media/CALL.mp3 with transcripts in .nlp files, one token a line, fields between |."""

from pathlib import Path

from ...backends.errors import InputError
from ...backends.reading import shown
from ..defects import Defects, report_to
from ..recording import Dataset, Word
from .entries import EntryList, seconds
from .folder import AUDIO_SUFFIXES, visible_files
from .lines import csv_records, text_lines

_TRANSCRIPTS = (("nlp_references", ".nlp"), ("force_aligned_nlp_references", ".aligned.nlp"))
_LENGTH_COLUMNS = ("audio_length", "File Length (seconds)")
_LENGTH_TOLERANCE_S = 2.0  # the metadata round to seconds, and MP3 decoders pad


def recognises(path: Path) -> bool:
    return (path / "media").is_dir() and _references(path) is not None


def open_earnings(path: Path, name: str | None = None, defects: Defects = None) -> Dataset:
    """Return the calls in `media` that have a transcript. Raises `InputError`, or adds to `defects`."""
    references = _references(path)
    if references is None:
        raise InputError(f"{shown(path)}: expected media/ and transcripts/nlp_references/")
    folder, ending = references
    entries = EntryList(path, name or shown(path), defects)
    lengths_s = _lengths(path, defects)
    files = visible_files(path, defects)
    media = {f.stem: f for f in files if f.parent == path / "media" and f.suffix.lower() in AUDIO_SUFFIXES}
    transcripts = {f.name.removesuffix(ending): f for f in files if f.parent == folder and f.name.endswith(ending)}
    for call, transcript in sorted(transcripts.items()):
        with report_to(defects):
            if call not in media:
                raise InputError(f"{shown(transcript)}: no audio: no media/{shown(call)}.mp3")
            text, words = _tokens(transcript, defects)
            audio, origin = media[call].relative_to(path), shown(transcript)
            length_s, where = lengths_s.get(call, (None, origin))
            entries.add(
                call,
                audio,
                text,
                origin if length_s is None else where,
                duration_s=length_s,
                words=words,
                tolerance_s=_LENGTH_TOLERANCE_S,
            )
    for call in sorted(media.keys() - transcripts.keys()):
        with report_to(defects):
            raise InputError(f"{shown(media[call])}: no transcript: no {shown(folder)}/{shown(call)}{ending}")
    return entries.dataset_of(path, "media/*.mp3 and transcripts/nlp_references/*.nlp")


def _references(path: Path) -> tuple[Path, str] | None:
    for name, ending in _TRANSCRIPTS:
        if (folder := path / "transcripts" / name).is_dir():
            return folder, ending
    return None


def _lengths(path: Path, defects: Defects) -> dict[str, tuple[float, str]]:
    """Return the stated length and origin by call, from the table that comes with the set."""
    lengths: dict[str, tuple[float, str]] = {}
    for table in sorted(path.glob("*metadata.csv")):
        records = csv_records(table, defects)
        _, columns = next(records, ("", []))
        for origin, values in records:
            row = dict(zip(columns, values, strict=False))
            stated = next((row[key] for key in _LENGTH_COLUMNS if row.get(key)), None)
            if stated is not None:
                with report_to(defects):
                    lengths[values[0]] = (seconds(stated, f"{origin}: length"), origin)
    return lengths


def _tokens(transcript: Path, defects: Defects) -> tuple[str, tuple[Word, ...] | None]:
    """Return the text with its punctuation, and the words with their times if every token has them."""
    spoken: list[str] = []
    words: list[Word] | None = []
    columns: list[str] | None = None
    for number, line in text_lines(transcript, defects):
        fields = line.split("|")
        if columns is None:
            if "token" not in fields:
                raise InputError(f"{shown(transcript)}:{number}: expected a header with 'token', got {line[:60]!r}")
            columns = fields
            continue
        row = dict(zip(columns, fields, strict=False))
        token = row.get("token", "")
        if not token:
            continue
        spoken.append(token + row.get("punctuation", ""))
        times = row.get("ts", ""), row.get("endTs", "")
        if words is not None and all(times):
            where = f"{shown(transcript)}:{number}"
            words.append(Word(token, seconds(times[0], where), seconds(times[1], where)))
        else:
            words = None
    return " ".join(spoken), tuple(words) if words else None
