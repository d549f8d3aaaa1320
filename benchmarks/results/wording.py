"""Numbers as readers see them: on the terminal, in sentences and on pages."""

import re
from collections.abc import Sequence

from ...speech.metrics.significance import Difference
from ...speech.strategies import step_of
from ..experiment.experiment import Load


def percent(rate: float | None) -> str:
    """Return a rate as `9.1 %`, or `-` where there is none."""
    return "-" if rate is None else f"{100 * rate:.1f} %"


def interval(ends: Sequence[float] | None) -> str:
    """Return an interval of rates as `[8.0, 10.2]`, in percent; empty where there is none."""
    return "" if ends is None else f"[{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"


def points(found: Difference) -> str:
    """Return a difference of error rates as `-1.2 points [-2.0, -0.4] paired`."""
    return f"{100 * found.difference:+.1f} points {interval(found.interval)} paired"


def figures(value: float) -> str:
    """Return three significant digits, but the whole of a number above 100."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds(value: float | None) -> str:
    """Return a time in seconds with three significant digits, or `-` where there is none."""
    return "-" if value is None else f"{figures(value)} s"


def counted(number: float, noun: str) -> str:
    """Return `1 error`, `2 errors`."""
    said = f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"
    return f"{said} {noun}{'' if number == 1 else 's'}"


def error_count(errors: int, ref_words: int) -> str:
    """Return `1 error in 12 words`."""
    return f"{counted(errors, 'error')} in {ref_words} words"


def stream_count(streams: int) -> str:
    """Return `1 stream`, `16 streams`."""
    return counted(streams, "stream")


def name_load(load: str, strategy: str, each: str = "") -> str:
    """Return a load in words, as `16 streams, a call every 0.25 s`; of strategies that set their own step without it.

    each: after the streams, as ` per device`.
    """
    found = Load.parse(load)
    step_s = step_of(strategy, found.step_s)
    return (
        f"{stream_count(found.streams)}{each}, {f'a call every {seconds(step_s)}' if step_s else f'{strategy} windows'}"
    )


def order_load(load: str, strategy: str) -> tuple[float, int]:
    """Return what loads are sorted by: the step, where the strategy takes one, then streams."""
    found = Load.parse(load)
    return step_of(strategy, found.step_s) or 0.0, found.streams


def name_load_briefly(load: str, strategy: str) -> str:
    """Return the load `16x0.25` as `16 x 0.25 s`: streams, and seconds between two calls of each.

    Strategies that set their own step are named by streams alone.
    """
    found = Load.parse(load)
    stepping = step_of(strategy, found.step_s)
    return f"{found.streams} x {found.step_s:g} s" if stepping else stream_count(found.streams)


def join_words(words: Sequence[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# Control characters (a terminal would obey them), halves of surrogate pairs (UTF-8 cannot hold them), and marks that
# turn the direction of text around, so that a name reads as another.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def neutralise(text: str) -> str:
    """Return `text` in one line, with nothing that a terminal or a page would obey instead of showing it."""
    return _OBEYED.sub("\ufffd", re.sub(r"[\t\r\n]+", " ", text))
