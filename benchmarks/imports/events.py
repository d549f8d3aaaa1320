"""Our own format for any system: a JSON object a line for everything that appeared on the screen.

    {"recording": "the-storm", "at_s": 3.21, "text": "It was a dark and", "final": false}

`text` takes the place of the interim text, behind all final texts; a final one stays, and the interim text is gone.
`heard_s` may say how much audio had been sent by then, `system` what answered. Without `at_s` there is text, no time.
"""

from pathlib import Path

import msgspec

from ...backends.errors import InputError
from ..experiment import store
from .answers import Answer, Stream, check_times
from .lines import numbered_lines


class _Event(msgspec.Struct):
    recording: str
    text: str
    final: bool
    at_s: float | None = None
    heard_s: float | None = None
    system: str = ""


def read_events(path: Path) -> list[Stream]:
    """Return what is in a file of events. Raises `InputError` with file, line and field."""
    found: dict[tuple[str, str], list[tuple[str, _Event]]] = {}
    for place, line in numbered_lines(path):
        one = store.decode(line, _Event, place)
        found.setdefault((one.system, one.recording), []).append((place, one))
    streams = []
    for (system, name), own in found.items():
        for field in ("at_s", "heard_s"):
            _check(own, field)
        if not any(one.final for _, one in own):
            raise InputError(f"{own[-1][0]}: no text of {name!r} is final; the last one should be")
        answers = [
            Answer(words, (), one.at_s, one.heard_s) if one.final else Answer((), words, one.at_s, one.heard_s)
            for words, one in ((tuple(one.text.split()), one) for _, one in own)
        ]
        streams.append(Stream(name, own[0][0], tuple(answers), system=system))
    return streams


def _check(events: list[tuple[str, _Event]], field: str) -> None:
    """Raise `InputError` if only some events have a time, or times go back."""
    before_s: list[float] = []
    for number, (place, one) in enumerate(events):
        value = getattr(one, field)
        if (value is not None) != bool(before_s) and number:
            raise InputError(f"{place}: some texts of {one.recording!r} have {field} and some have none")
        if value is not None:
            check_times([*before_s, value], place, field)
            before_s = [value]
