"""What intervals resample: speakers where recordings name them, since the same voice makes the same errors."""

from collections.abc import Iterable, Sequence

from ...speech.metrics.significance import Difference, paired_bootstrap
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


def pair_units(a: Sequence[Aligned], b: Sequence[Aligned], seed: int) -> Difference | None:
    """Return WER of `b` less that of `a`, paired by unit: what is hard in both cancels. None for too few units."""
    of_a, of_b = units_of(a)[1], units_of(b)[1]
    both = [name for name in of_a if name in of_b]
    return paired_bootstrap([of_a[name] for name in both], [of_b[name] for name in both], seed)


def pool(rates: Iterable[ErrorRate]) -> ErrorRate:
    """Return the counts of all rates together."""
    return sum(rates, ErrorRate.zero())
