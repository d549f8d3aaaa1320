"""WhisperLiveKit: the report of `wlk bench --json`, or what its server sent, a message a line.

The report has the final text of each sample and no times. Messages are its full states or its differences, as
`transcribe_audio(on_response=...)` of its test client gives them, with two fields more: `at_s`, the seconds since the
recording began to play, and `recording`, if it is not the file's name.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from ...backends.errors import InputError
from ..experiment import store
from .answers import Answer, Stream, check_times, settle
from .lines import numbered_lines, read_file


class _Sample(msgspec.Struct):
    sample: str
    hypothesis: str
    duration_s: float | None = None


class _Config(msgspec.Struct):
    backend: str = ""
    model_size: str = ""


class _Report(msgspec.Struct):
    results: list[_Sample]
    config: _Config = msgspec.field(default_factory=_Config)


class _Line(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    recording: str | None = None
    at_s: float | None = None
    type: str = ""
    lines: list[_Line] | None = None
    new_lines: list[_Line] = []
    lines_pruned: int = 0
    n_lines: int | None = None
    buffer_transcription: str = ""


def read_whisperlivekit(path: Path) -> list[Stream]:
    """Return what is in a report or a file of messages. Raises `InputError` with file, line and field."""
    text = read_file(path)
    first = text.lstrip().split("\n", 1)[0]
    if first.strip() == "{" or '"results"' in first:
        return _read_report(path, text)
    return _read_messages(path)


def _read_report(path: Path, text: str) -> list[Stream]:
    report = store.decode(text, _Report, str(path))
    if not report.results:
        raise InputError(f"{path}: results is empty; expected a sample")
    system = " ".join(filter(None, ("whisperlivekit", report.config.backend, report.config.model_size)))
    return [
        Stream(
            one.sample,
            f"{path}: results[{number}]",
            (Answer(tuple(one.hypothesis.split())),),
            one.duration_s,
            system=system,
        )
        for number, one in enumerate(report.results)
    ]


def _read_messages(path: Path) -> list[Stream]:
    found: dict[str, list[tuple[str, _Message]]] = {}
    for place, line in numbered_lines(path):
        one = store.decode(line, _Message, place)
        if one.lines is not None or one.type == "diff":  # others are the configuration and the end
            found.setdefault(one.recording or path.stem, []).append((place, one))
    if not found:
        raise InputError(f"{path}: no message with lines; expected what the server sent, a message a line")
    streams = []
    for name, own in found.items():
        times_s = [one.at_s for _, one in own]
        if None in times_s and set(times_s) != {None}:
            place = own[times_s.index(None)][0]
            raise InputError(f"{place}: no at_s, which other messages of {name!r} have")
        check_times([at_s for at_s in times_s if at_s is not None], own[0][0], "at_s")
        answers = tuple(settle(_screens(own)))
        streams.append(Stream(name, own[0][0], _without_repeats(answers), system="whisperlivekit"))
    return streams


def _screens(messages: Sequence[tuple[str, _Message]]) -> Iterator[tuple[float | None, list[str], list[str]]]:
    """Time, words in the lines, words in the buffer of each state; differences are put together."""
    lines: list[_Line] = []
    for place, one in messages:
        if one.lines is not None:
            lines = list(one.lines)
        else:
            # The client's rule is to drop from the front and append; a line that grew comes again as a new one, so that
            # what follows the lines that stay is to be cut to the number that the server has.
            kept = lines[one.lines_pruned :]
            count = len(kept) + len(one.new_lines) if one.n_lines is None else one.n_lines
            lines = [*kept[: max(0, count - len(one.new_lines))], *one.new_lines]
            if len(lines) != count:
                raise InputError(f"{place}: n_lines is {count}, and {len(lines)} lines are there; a message is missing")
        yield one.at_s, " ".join(line.text or "" for line in lines).split(), one.buffer_transcription.split()


def _without_repeats(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """The answers that change anything: the server sends the same state twenty times a second."""
    kept: list[Answer] = []
    for one in answers:
        if one.final or not kept or one.interim != kept[-1].interim:
            kept.append(one)
    return tuple(kept)
