"""Whether two runs of the same data really differ, and by how much."""

from dataclasses import dataclass, replace

import numpy as np

from ...backends.errors import InputError
from ...speech.metrics.normalise import get_normaliser, normaliser_version
from ...speech.metrics.significance import LEVEL, Difference, Mapsswe, mapsswe, paired_bootstrap
from ...speech.metrics.wer import ErrorRate, aligned_words
from ..experiment.records import Run, Track
from .latency import align_tracks
from .units import pool, units_of
from .wording import percent


@dataclass(frozen=True, slots=True)
class Side:
    """One of two runs.

    wer: pooled, as a fraction.
    errors: the counts behind it.
    """

    model: str
    backend: str | None
    wer: float | None
    errors: ErrorRate


@dataclass(frozen=True, slots=True)
class RunDifference:
    """The difference of two runs of the same data.

    a, b: both sides.
    scoring: normaliser and aligner, with versions.
    resampled, units: what the bootstrap draws, and how many.
    bootstrap: WER of B less that of A; None for fewer than two units.
    mapsswe: NIST's matched-pairs test.
    """

    a: Side
    b: Side
    scoring: str
    resampled: str
    units: int
    seed: int
    replicates: int
    bootstrap: Difference | None
    mapsswe: Mapsswe

    @property
    def summary(self) -> list[str]:
        """The difference in sentences."""
        a, b, found, segments = self.a, self.b, self.bootstrap, self.mapsswe
        sentences = [f"WER of A {percent(a.wer)}, of B {percent(b.wer)}, in {a.errors.ref_words} words."]
        if found is None:
            sentences.append("Paired bootstrap: no interval, since there are fewer than two recordings or speakers.")
        else:
            low, high = (100 * end for end in found.interval)
            sentences.append(
                f"B - A is {100 * found.difference:+.2f} points, 95 % interval [{low:+.2f}, {high:+.2f}], paired "
                f"bootstrap over {self.units} {self.resampled}: {_verdict(found.p)}."
            )
        if segments.p is None:
            sentences.append(
                f"MAPSSWE: no test, {segments.segments} segments with errors do not differ enough: not significant."
            )
        else:
            sentences.append(
                f"MAPSSWE over {segments.segments} segments: Z = {segments.z:.2f}: {_verdict(segments.p)}."
            )
        return [*sentences, f"Scored under {self.scoring}."]


def _verdict(p: float) -> str:
    return f"p = {p:.2g}, {'significant' if p < LEVEL else 'not significant'} at {LEVEL:.0%}"


def compare(a: Run, b: Run, normaliser: str | None = None, seed: int = 0, replicates: int = 10_000) -> RunDifference:
    """Return the difference of two runs of one setting each, by paired bootstrap and by MAPSSWE.

    normaliser: for both; by default that of the runs, which must be the same.
    seed, replicates: of the bootstrap. Raises `InputError` for runs that are not comparable: other recordings, other
        references, other rules.
    """
    rules = normaliser or _same_rules(a, b)
    get_normaliser(rules)
    for name, run in (("A", a), ("B", b)):
        settings = len({track.setting for track in run.tracks})
        if settings != 1:
            raise InputError(f"run {name} has {settings} settings; expected one, as earspan evaluate makes")
    check_same_data(a, b)
    by_id = {track.recording: track for track in b.tracks}
    b = replace(b, tracks=tuple(by_id[track.recording] for track in a.tracks))
    of_a, of_b = align_tracks(a, rules), align_tracks(b, rules)
    (resampled, units_a), (_, units_b) = units_of(of_a), units_of(of_b)
    errors = pool(one.errors for one in of_a), pool(one.errors for one in of_b)
    return RunDifference(
        a=Side(a.provenance.model, a.tracks[0].backend, errors[0].rate, errors[0]),
        b=Side(b.provenance.model, b.tracks[0].backend, errors[1].rate, errors[1]),
        scoring=normaliser_version(rules),
        resampled=resampled,
        units=len(units_a),
        seed=seed,
        replicates=replicates,
        bootstrap=paired_bootstrap(list(units_a.values()), [units_b[key] for key in units_a], seed, replicates),
        mapsswe=mapsswe(_steps(a, a.tracks, rules), _steps(b, b.tracks, rules)),
    )


def _same_rules(a: Run, b: Run) -> str:
    rules = a.experiment.normaliser, b.experiment.normaliser
    if rules[0] != rules[1]:
        raise InputError(f"scored under {rules[0]!r} and {rules[1]!r}; type --normaliser {rules[0]} to score both so")
    return rules[0]


def check_same_data(a: Run, b: Run) -> None:
    """Raise `InputError` for runs whose recordings or references differ."""
    said, other = a.by_id, b.by_id
    missing = sorted(said.keys() ^ other.keys())
    if missing:
        one = "A" if missing[0] in said else "B"
        raise InputError(
            f"the data differ: {missing[0]!r} is in {one} only, and {len(missing) - 1} more in one of them"
        )
    changed = [key for key, reference in said.items() if other[key].text != reference.text]
    if changed:
        raise InputError(f"the data differ: {changed[0]!r} has another reference text in B")
    if [one.digest for one in a.datasets] != [one.digest for one in b.datasets] or a.joined != b.joined:
        raise InputError("the data differ: the audio of A and B is not the same, or joined otherwise")
    if a.joined and a.experiment.gap_s != b.experiment.gap_s:
        raise InputError("the data differ: the streams have other gaps")


def _steps(run: Run, tracks: tuple[Track, ...], rules: str) -> list[np.ndarray]:
    found = {index: steps for index, _, _, steps in aligned_words(*run.texts(tracks), rules)}
    return [found[index] for index in range(len(tracks))]
