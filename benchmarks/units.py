"""Numbers, intervals and settings as the report prints them."""

from .report_data import LONGEST_S, Curve, Row, Score


def seconds(value: float | None) -> str:
    """A time with its unit, seconds whatever its size, so that a column compares."""
    return "–" if value is None else f"{figures(value)}\u00a0s"


def figures(value: float) -> str:
    """Three significant digits, but the whole of a number above 100."""
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}").replace("-", "−")


def percent(value: float | None) -> str:
    """A fraction in percent, one decimal."""
    return "–" if value is None else f"{value * 100:.1f}\u00a0%"


def interval_text(score: Score) -> str:
    """The 95 % interval in percent, in brackets; empty if there is none."""
    return "" if score.ci95 is None else f"[{score.ci95[0] * 100:.1f}–{score.ci95[1] * 100:.1f}]"


def share(part: float | None) -> str:
    """A fraction in percent, three digits, for 99.8 % and 100.2 % are two things; empty if there is none."""
    return "" if part is None else f"{figures(part * 100)}\u00a0%"


def stream_count(streams: float) -> str:
    """`1 stream`, `16 streams`."""
    return f"{streams:g} stream" + ("" if streams == 1 else "s")


def setting(row: Row) -> str:
    """Strategy, streams and step of a row, as far as they are stated; the step of disjoint chunks is the window."""
    streams = "" if row.streams is None else stream_count(row.streams)
    step = "" if row.step_s is None or row.strategy == "disjoint" else f"step {seconds(row.step_s)}"
    return ", ".join(filter(None, (row.strategy, streams, step)))


def curve_name(curve: Curve) -> str:
    """Strategy and step of a curve."""
    return curve.strategy + (f", step {seconds(curve.step_s)}" if curve.step_s else "")


def limit(row: Row) -> str:
    """What keeps the span from growing, in words."""
    if row.limited_by in ("", "nothing"):
        return "Whisper's whole window" if row.span_s and row.span_s >= LONGEST_S else ""
    return f"limit: {row.limited_by}"
