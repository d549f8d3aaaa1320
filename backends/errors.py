"""The one error that every part of Earspan raises when its *input* is wrong."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Wrong input. The message is one printable line: what was given, what is expected, what to type next.

    The command line prints it and exits with 2. It catches nothing else, so a bug stays a traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))  # what was given may hold anything


def printable(text: str) -> str:
    """Return a text as one line, with escapes in place of what a terminal would obey instead of showing it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def unknown(kind: str, given: str, known: Iterable[str]) -> InputError:
    """Return the `InputError` for a name that is not known, with the nearest known name if one is near."""
    names = sorted(known)
    near = difflib.get_close_matches(given[:100].lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    return InputError(f"unknown {kind} {given[:100]!r}; {hint}")
