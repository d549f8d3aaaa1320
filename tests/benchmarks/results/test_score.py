"""What follows from a run in sentences and rows: spans are joined to what was heard, and gains are told as they are."""

from dataclasses import replace

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.experiment import Experiment
from earspan.benchmarks.experiment.records import Track
from earspan.benchmarks.results.records import Curve, Gain, Row
from earspan.benchmarks.results.score import score
from earspan.benchmarks.results.summary import _gains
from earspan.speech.metrics.significance import Difference
from earspan.speech.metrics.wer import ErrorRate

from .planted import SAID, plan_of, planted_run, played


def spans_run():
    """Two windows on infinitely fast hardware, a backend that hears the longer one, and plans for another load."""
    run = planted_run()
    tracks = [
        Track(name, "sliding", window_s, 2.0, backend, played(SAID[said], service_s))
        for name in "ab"
        for window_s, said, backend, service_s in (
            (2.0, "disjoint", None, 0.0), (10.0, "sliding", None, 0.0), (10.0, "sliding", "l4", 0.5),
        )
    ]  # fmt: skip
    experiment = Experiment(
        backends=("l4", "t4"), windows_s=(2.0, 10.0), loads=("1x2", "9x2"), normaliser="none", step_s=2.0
    )
    plans = (plan_of("l4", 10.0, "memory"), plan_of("t4", None))
    more = tuple(replace(plan_of(name, span_s), load="9x2") for name, span_s in (("l4", 7.3), ("t4", 1.0)))
    return replace(run, experiment=experiment, tracks=tuple(tracks), plans=(*plans, *more))


def test_rows_are_backends_under_every_load():
    results = score(spans_run())
    rows = {(row.backend, row.load): row for row in results.rows}
    assert list(rows) == [("l4", "1x2"), ("t4", "1x2"), ("l4", "9x2"), ("t4", "9x2")]
    heard = rows["l4", "1x2"]
    assert (heard.span_s, heard.window_s, heard.wer, heard.joined) == (10.0, 10.0, 0.0, False)
    assert heard.latency_p50_s == pytest.approx(1.5)
    nothing = rows["t4", "1x2"]
    assert (nothing.span_s, nothing.window_s, nothing.wer, nothing.latency) == (None, None, None, None)
    # A span between windows is rounded down to one that was heard; one below all of them has no rate.
    joined = rows["l4", "9x2"]
    assert (joined.span_s, joined.window_s, joined.wer, joined.joined) == (7.3, 2.0, 0.5, True)
    assert (rows["t4", "9x2"].span_s, rows["t4", "9x2"].wer) == (1.0, None)


def test_a_curve_tells_what_its_longest_window_is_worth():
    [curve] = score(spans_run()).curves
    assert [(point.window_s, point.wer) for point in curve.points] == [(2.0, 0.5), (10.0, 0.0)]
    assert curve.last_less_first.difference == -0.5


def test_a_curve_is_asked_for_the_longest_window_within_a_span():
    bare = Row(None, "1x1", "sliding", 2.0, 1.0, 1, 0.1, None, ErrorRate.zero())
    curve = Curve("sliding", 1.0, (bare, replace(bare, window_s=5.0)), None)
    assert [curve.point_at(s) and curve.point_at(s).window_s for s in (None, 1.9, 2.0, 4.9, 5.0, 30.0)] == [
        None, None, 2.0, 2.0, 5.0, 5.0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ((-0.05, -0.01), "here faster hardware buys fewer errors"),
        ((0.01, 0.05), "here the longer window costs errors"),
        ((-0.05, 0.01), "on this sample faster hardware buys nothing certain"),
    ],
)
def test_what_a_longer_span_is_worth_is_said_by_paired_differences(interval: tuple[float, float], said: str):
    difference = Difference(sum(interval) / 2, interval, 0.01)
    gain = Gain(2.0, 8.5, (0.2, 0.2 + difference.difference), difference)
    [sentence] = _gains([gain, replace(gain, difference=None)], [])
    assert sentence.startswith("From 2 s to 8.5 s the WER goes from 20.0 %")
    assert f"({100 * difference.difference:+.1f} points" in sentence
    assert sentence.endswith(f"paired): {said}.")


def test_streaming_is_told_beside_the_same_recordings_heard_at_once():
    run = planted_run()  # disjoint chunks miss every second word
    whole = [replace(track, strategy="offline") for track in run.tracks if track.strategy == "sliding"]
    offline = replace(run, tracks=tuple(track for track in whole if track.backend is None))
    rows = {(row.backend, row.strategy): row for row in score(run, batch=offline).rows}
    cost = rows["l4", "disjoint"].less_batch
    assert (cost.difference, cost.interval) == (0.5, (0.5, 0.5))
    assert rows["l4", "sliding"].less_batch.difference == 0.0
    # A run that heard all at once itself needs no other; without either nothing is said.
    own = replace(run, tracks=(*run.tracks, *offline.tracks))
    assert {(row.backend, row.strategy): row.less_batch for row in score(own).rows}["t4", "disjoint"] == cost
    assert score(own).batch == "m, offline"
    assert {row.less_batch for row in score(run).rows} == {None}
    other = tuple(replace(one, text="five six") for one in offline.references)
    with pytest.raises(InputError, match="'a' has another reference"):
        score(run, batch=replace(offline, references=other))
    with pytest.raises(InputError, match="settings"):
        score(run, batch=run)


def test_words_that_are_held_back_are_warned_of():
    run = planted_run()
    late = [
        replace(
            track,
            calls=(replace(track.calls[0], arrival_at_s=0.5), replace(track.calls[1], arrival_at_s=9.0)),
        )
        for track in run.tracks
    ]
    assert not any("degenerate" in said for said in score(run).warnings)
    warnings = score(replace(run, tracks=tuple(late))).warnings
    assert any("l4, disjoint: the policy is likely degenerate: 50 %" in said for said in warnings)
