"""What follows from a run in sentences and rows: spans are joined to what was heard, and gains are told as they are."""

from dataclasses import replace

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.experiment import Experiment
from earspan.benchmarks.experiment.records import Track
from earspan.benchmarks.results.records import Curve, Gain, Row
from earspan.benchmarks.results.score import score
from earspan.benchmarks.results.summary import _gains, summarise_itself, summarise_loads
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
        ((-0.05, -0.01), "Faster hardware buys fewer errors: "),
        ((0.01, 0.05), "Faster hardware, which hears longer windows, makes more errors: "),
    ],
)
def test_what_a_longer_span_is_worth_is_said_by_paired_differences(interval: tuple[float, float], said: str):
    difference = Difference(sum(interval) / 2, interval, 0.01)
    gain = Gain(2.0, 8.5, (0.2, 0.2 + difference.difference), difference, "t", "9x0.5", ("t4",), ("l4", "h100"))
    [sentence] = _gains([gain, replace(gain, difference=None)], "sliding")
    assert sentence.startswith(f"{said}at 9 x 0.5 s from 2 s on t4 to 8.5 s on l4 and h100 (WER 20.0 %, then ")
    assert f"{100 * difference.difference:+.1f} points" in sentence


def test_where_a_longer_span_is_worth_nothing_certain_is_said_by_windows():
    def gain(load: str, from_s: float, low: float) -> Gain:
        return Gain(from_s, 30.0, (0.2, 0.2), Difference(low / 2, (low, 0.0), 0.5), "t", load, ("t4",), ("l4",))

    [sentence] = _gains([gain("1x1", 8.0, -0.05), gain("2x1", 3.0, -0.02), gain("3x1", 8.0, 0.0)], "sliding")
    assert sentence == (
        "Faster hardware buys nothing certain on this sample from 3 s on at 2 x 1 s; from 8 s on at 1 x 1 s and 3 x "
        "1 s (-2.5 to +0.0 points, paired intervals around 0)."
    )
    [sentence] = _gains([gain("1x1", 8.0, -0.05)], "disjoint")
    assert sentence.endswith("from 8 s on at 1 stream (-2.5 points, paired intervals around 0).")


def loads_run(*heard: tuple[float, str], spans: dict[str, tuple[float | None, ...]], model: str = "t"):
    """A curve with these windows, each heard as planted, and the spans of three backends by load; none is played."""
    tracks = [
        Track(name, "sliding", window_s, 2.0, None, played(SAID[said], 0.0))
        for name in "ab"
        for window_s, said in heard
    ]
    names = ("t4", "l4", "h100")
    experiment = Experiment(
        backends=names, windows_s=tuple(w for w, _ in heard), loads=("1x2", *spans), normaliser="none"
    )
    plans = [plan_of(name) for name in names]
    for load, own in spans.items():
        plans += [replace(plan_of(n, s), load=load, model=model) for n, s in zip(names, own, strict=True)]
    return replace(planted_run(), experiment=experiment, tracks=tuple(tracks), plans=tuple(plans))


WORSE, RIGHT = "disjoint", "sliding"  # half of the words, and all


def test_gains_are_told_under_every_load_from_the_slowest_that_hears_to_the_fastest():
    run = loads_run((2.0, WORSE), (5.0, RIGHT), (10.0, RIGHT), (20.0, WORSE), spans={
        "9x2": (2.5, 6.0, 12.0),  # fewer errors with the second, nothing more with the third
        "8x2": (None, 5.0, 5.5),  # one window, so nothing to compare
        "7x2": (1.0, 9.0, 30.0),  # the longest window is worse
        "6x2": (None, 1.0, None),
    })  # fmt: skip
    results = score(run)
    assert [(g.load, g.slower, g.from_s, g.faster, g.to_s, g.wer) for g in results.gains] == [
        ("9x2", ("t4",), 2.0, ("l4",), 5.0, (0.5, 0.0)),
        ("9x2", ("l4",), 5.0, ("h100",), 10.0, (0.0, 0.0)),
        ("7x2", ("l4",), 5.0, ("h100",), 20.0, (0.0, 0.5)),
    ]
    assert [(g.difference.difference, g.difference.interval) for g in results.gains] == [
        (-0.5, (-0.5, -0.5)), (0.0, (0.0, 0.0)), (0.5, (0.5, 0.5)),
    ]  # fmt: skip
    said = " ".join(summarise_loads(results))
    assert "fewer errors: at 9 x 2 s from 2 s on t4 to 5 s on l4" in said
    assert "nothing certain on this sample from 5 s on at 9 x 2 s" in said
    assert "more errors: at 7 x 2 s from 5 s on l4 to 20 s on h100" in said
    assert "Under 1 x 2 s no backend keeps up with any window. Under 6 x 2 s no window was heard that a backend" in said


def test_the_load_is_named_at_which_the_model_that_is_heard_differs_most_as_itself():
    run = loads_run((2.0, WORSE), (5.0, RIGHT), spans={"9x2": (5.0, 9.0, 30.0), "8x2": (None, 2.0, 5.0)}, model="m")
    results = score(run)
    assert {row.load for row in results.as_heard} == {"9x2", "8x2"}
    [said] = summarise_itself(results)
    assert said.startswith(
        "With m timed as itself, so that text and time are of one Whisper, backends differ most at 8 x"
    )
    assert "t4 cannot keep up with any window; l4 sustains 2 s, 50.0 % WER [50.0, 50.0]; h100 sustains 5 s" in said
    assert "fewer errors: at 8 x 2 s from 2 s on l4 to 5 s on h100 (WER 50.0 %, then 0.0 %, -50.0 points" in said
    alike = score(loads_run((2.0, WORSE), (5.0, WORSE), spans={"9x2": (30.0, 30.0, 30.0)}, model="m"))
    [said] = summarise_itself(alike)
    assert "backends differ at no load: t4, l4 and h100 sustain 30 s, heard at 5 s, 50.0 %" in said


def test_one_window_that_no_backend_sustains_is_scored():
    results = score(loads_run((2.0, WORSE), spans={}))
    assert {row.window_s for row in results.rows} == {None}
    assert sum("which sustains no window" in sentence for sentence in results.summary) == 3


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
