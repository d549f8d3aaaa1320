"""HTML and SVG as nested calls. Every string is escaped unless it already is markup, so none can be forgotten."""

import html
import re
import unicodedata
from dataclasses import dataclass
from math import ceil, floor, log, log10


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


_VOID = ("meta", "br")
# What HTML forbids in text (control characters) and UTF-8 cannot hold (half of a surrogate pair).
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

Child = str | float | None
Attribute = str | float | bool | None


def escape(text: Child) -> Markup:
    """`text` with what HTML would read as markup replaced; None is empty."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_NO_TEXT.sub("\ufffd", "" if text is None else str(text))))


def el(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element. `class_` means class, `stroke_width` stroke-width; attributes that are None are left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """The children one after another."""
    return Markup("".join(map(escape, children)))


def _plain(value: Attribute) -> Child:
    # Two decimals place a line within a hundredth of a pixel.
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def text_width(text: str, size: float) -> float:
    """About how wide `text` is at a font size, in the unit of `size`: a sans serif, rather too wide than too narrow."""
    return size * sum(map(_character_width, text))


def _character_width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in " .,:;'|!()[]ijlftrI·/-":
        return 0.34
    return 0.9 if character in "mwMW%@" else 0.7 if character.isupper() else 0.57


def shorten(text: str, width: float, size: float) -> str:
    """`text` without its middle where it would be wider than `width`: names differ at their ends."""
    short, kept = text, len(text)
    while kept and text_width(short, size) > width:
        kept -= 1
        short = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
    return short


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps low..high of the data to start..end on the page, evenly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        if self.logarithmic:
            part = log(value / self.low) / log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def ticks(high: float, about: int) -> list[float]:
    """Round values from 0 to the first at or above `high`, at most `about` steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(high / about))
    step = next(power * factor for factor in (1, 2, 5, 10) if high / (power * factor) <= about + 1e-9)
    return [round(step * i, 12) for i in range(ceil(high / step - 1e-9) + 1)]
