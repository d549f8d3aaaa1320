"""Where recommendations and capacities take word error rates from: planted ones, and those of the reference curve."""

import pytest
from earspan.backends.errors import InputError
from earspan.backends.workload.windows import SECOND_PASS
from earspan.benchmarks.results.accuracy import REFERENCE_CURVE, Accuracy, Heard, find_step_effects, read_accuracy
from earspan.benchmarks.results.curves import read_curve


def test_what_was_heard_nearest_below_is_taken():
    ways = [Heard("sliding", w, h, 0.1, None) for w, h in ((3.0, 0.5), (3.0, 1.0), (3.0, 2.0), (10.0, 1.0))]
    accuracy = Accuracy("tiny.en", "planted", (*ways, Heard("disjoint", 5.0, 5.0, 0.2, None)))
    assert accuracy.at("sliding", 9.9, 0.8) == ways[1]
    assert accuracy.at("sliding", 9.9, 5.0) == ways[2]
    assert accuracy.at("sliding", 10.0, 0.1) == ways[3]
    assert accuracy.at("sliding", 2.9, 1.0) is accuracy.at("alignatt", 30.0, 1.0) is None
    assert accuracy.missing == ("overlap", "prompted", "vad", "alignatt", "sequential")
    assert accuracy.best.wer == 0.1
    assert len(accuracy.within(0.05)) == 4


def test_the_reference_curve_is_read_by_dataset():
    clean, noisy = read_accuracy(None), read_accuracy("talks-noisy")
    assert clean == read_accuracy("talks-clean")
    assert (clean.model, clean.data, noisy.data) == ("tiny.en", "talks-clean", "talks-noisy")
    assert clean.best.wer < noisy.best.wer
    assert read_accuracy("speech-long").data.startswith("speech-long")
    with pytest.raises(InputError, match="neither a run nor a dataset of the reference curve"):
        read_accuracy("talks-nosy")


def test_second_passes_are_planned_as_they_were_heard():
    """Of the windows that slide, those that were heard often enough to count one in a hundred."""
    [sliding] = [
        one
        for one in read_curve(REFERENCE_CURVE)
        if (one.strategy, one.step_s, one.dataset, one.model) == ("sliding", 1.0, "talks-clean", "tiny.en")
    ]
    measured = {
        point.window_s: point.second_passes / point.whole_calls for point in sliding.points if point.whole_calls
    }
    assert set(SECOND_PASS) <= set(measured)
    assert pytest.approx({window_s: measured[window_s] for window_s in SECOND_PASS}, abs=0.011) == SECOND_PASS


def test_another_step_does_to_errors_what_the_reference_curve_says():
    data, effects = find_step_effects("sliding", 1.0, 0.25)
    assert data == "talks-clean"
    counts = {
        (series.step_s, point.window_s): point.total
        for series in read_curve(REFERENCE_CURVE)
        if (series.model, series.dataset, series.strategy, series.head_s) == ("tiny.en", data, "sliding", 40.0)
        for point in series.points
    }
    assert [window_s for window_s, _ in effects] == [3.0, 10.0]
    for window_s, effect in effects:
        before, after = (counts[step_s, window_s] for step_s in (1.0, 0.25))
        assert effect.difference == pytest.approx((after.errors - before.errors) / before.ref_words)
    assert find_step_effects("sliding", 1.0, 0.3) == ("", [])
    assert find_step_effects("disjoint", 1.0, 0.5) == ("", [])
