"""NIST's CTM, a word a line, with a seventh column for when the word was shown.

RECORDING CHANNEL START LENGTH WORD [CONFIDENCE [SHOWN]], all in seconds of the recording. Without that column there is
text and no time: when a word was said does not tell when it was shown. Lines that begin with ";;" are comments.
"""

from pathlib import Path

from ...backends.errors import InputError
from .answers import Stream, answer_words, check_times
from .lines import numbered_lines

_SHOWN = 6  # the column


def read_ctm(path: Path) -> list[Stream]:
    """Return what is in a CTM file. Raises `InputError` with file, line and field."""
    words: dict[str, list[str]] = {}
    shown_s: dict[str, list[float]] = {}
    places: dict[str, str] = {}
    for place, line in numbered_lines(path):
        if line.startswith(";;"):
            continue
        fields = line.split()
        if not 5 <= len(fields) <= 7:
            raise InputError(
                f"{place}: {len(fields)} fields; expected RECORDING CHANNEL START LENGTH WORD [CONF [SHOWN]]"
            )
        name = fields[0]
        places.setdefault(name, place)
        words.setdefault(name, []).append(fields[4])
        _number(fields[2], place, "START")
        _number(fields[3], place, "LENGTH")
        if len(fields) > _SHOWN:
            at_s = _number(fields[_SHOWN], place, "SHOWN")
            check_times([*shown_s.get(name, [])[-1:], at_s], place, "SHOWN")
            shown_s.setdefault(name, []).append(at_s)
        if len(shown_s.get(name, ())) not in (0, len(words[name])):
            raise InputError(f"{place}: some words of {name!r} have a seventh field, SHOWN, and some have none")
    if not words:
        raise InputError(f"{path}: no word; expected RECORDING CHANNEL START LENGTH WORD [CONF [SHOWN]] a line")
    return [Stream(name, places[name], answer_words(own, None, shown_s.get(name))) for name, own in words.items()]


def _number(text: str, place: str, field: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{place}: {field} is {text!r}; expected a number of seconds") from None
    check_times([value], place, field)
    return value
