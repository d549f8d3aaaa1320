"""One setting in detail, and runs compared, on texts whose errors are planted."""

from dataclasses import replace

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.results.compare import compare
from earspan.benchmarks.results.evaluation import worst_recordings
from earspan.benchmarks.results.score import score

from .planted import one_setting

TEXTS = {"a": "The colour of the sea is blue.", "b": "Wi Fi was down all day, wasn't it?", "c": "", "d": "stay here"}
HEARD = {
    "a": "the color of the sea was blue",
    "b": "wifi was down all day was not it",
    "c": "thank you",
    "d": "stay here",
}


def test_planted_errors_are_counted_and_named():
    found = score(one_setting(TEXTS, HEARD)).evaluation
    # is/was; wi fi/wifi, a substitution and a deletion; "thank you" on silence.
    assert (found.total.errors.substitutions, found.total.errors.deletions, found.total.errors.insertions) == (2, 1, 2)
    assert (found.silent_recordings, found.silent_insertions) == (1, 2)
    by_id = {row.recording: row for row in found.by_recording}
    assert (by_id["c"].wer, by_id["c"].errors.insertions) == (None, 2)
    # "the color of the sea is blue" against "... was blue": i->w, +a.
    assert by_id["a"].cer == pytest.approx(2 / 28)
    assert ("is", "was", 1) in found.common["substitutions"]


def test_scores_do_not_depend_on_the_order_and_one_recording_has_no_interval():
    run = one_setting(TEXTS, HEARD)
    forward, backward = score(run), score(replace(run, tracks=run.tracks[::-1]))
    assert forward.evaluation.total.wer == backward.evaluation.total.wer
    assert forward.evaluation.common == backward.evaluation.common
    assert forward.resampled == "recordings"
    one = score(replace(run, tracks=run.tracks[:1]))
    assert one.evaluation.total.wer_ci95 is None
    assert any("there is no interval" in warning for warning in one.warnings)


def test_speakers_are_what_is_resampled_where_all_are_named():
    named = one_setting(TEXTS, HEARD, {"a": "anna", "b": "anna", "c": "bert", "d": "bert"})
    results = score(named)
    assert (results.resampled, results.units) == ("speakers", 2)
    assert [group.name for group in results.evaluation.by_speaker] == ["anna", "bert"]


def test_the_worst_come_first_with_their_words():
    run = one_setting(TEXTS, HEARD)
    worst = worst_recordings(run, score(run), 9)
    assert [row.recording for row, _ in worst] == ["b", "c", "a"]
    assert [(p.reference, p.hypothesis) for p in worst[2][1] if p.reference != p.hypothesis] == [("is", "was")]


def test_other_rules_may_be_asked_for():
    run = one_setting(TEXTS, HEARD)
    assert score(run, "whisper+compounds").rows == ()
    lenient = score(run, "whisper+compounds").evaluation.total.errors.errors
    assert lenient == score(run).evaluation.total.errors.errors - 2
    with pytest.raises(InputError, match="did you mean 'whisper'"):
        score(run, "whispr")


def test_a_run_differs_from_itself_by_nothing_and_from_a_worse_one_by_its_errors():
    run = one_setting(TEXTS, HEARD)
    same = compare(run, run)
    assert (same.bootstrap.difference, same.bootstrap.significant, same.mapsswe.p) == (0.0, False, None)
    worse = one_setting(TEXTS, {**HEARD, "d": "x"})
    found = compare(run, worse)
    words = found.a.errors.ref_words
    assert found.bootstrap.difference == pytest.approx(2 / words)
    assert found.b.wer - found.a.wer == pytest.approx(2 / words)


def test_what_cannot_be_compared_is_said():
    run = one_setting(TEXTS, HEARD)
    with pytest.raises(InputError, match="type --normaliser whisper"):
        compare(run, replace(run, experiment=replace(run.experiment, normaliser="none")))
    with pytest.raises(InputError, match="'d' is in A only"):
        compare(run, replace(run, references=run.references[:-1], tracks=run.tracks[:-1]))
    with pytest.raises(InputError, match="another reference text"):
        compare(run, replace(run, references=(replace(run.references[0], text="other"), *run.references[1:])))
    with pytest.raises(InputError, match="the audio"):
        compare(run, replace(run, datasets=(replace(run.datasets[0], digest="1" * 64),)))
