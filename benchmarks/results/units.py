"""What intervals resample: speakers where recordings name them, since the same voice makes the same errors."""

from collections.abc import Iterable, Sequence

from ...speech.metrics.wer import ErrorRate
from .latency import Aligned


def units_of(items: Sequence[Aligned]) -> tuple[str, dict[str, ErrorRate]]:
    """Return what is resampled, "speakers" or "recordings", with the pooled errors of each.

    Speakers where every recording names one and there are two or more.
    """
    speakers = [item.reference.speaker for item in items]
    if len(set(speakers)) > 1 and None not in speakers:
        names, kind = [str(speaker) for speaker in speakers], "speakers"
    else:
        names, kind = [item.reference.id for item in items], "recordings"
    grouped: dict[str, list[ErrorRate]] = {}
    for name, item in zip(names, items, strict=True):
        grouped.setdefault(name, []).append(item.errors)
    return kind, {name: pool(own) for name, own in grouped.items()}


def pool(rates: Iterable[ErrorRate]) -> ErrorRate:
    """Return the counts of all rates together."""
    return sum(rates, ErrorRate.zero())
