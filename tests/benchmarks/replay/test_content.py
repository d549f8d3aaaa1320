"""When captions come, what of them is wrong and what is missing, and which settings are shown, by known answers."""

from dataclasses import replace

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.records import Reference, Track
from earspan.benchmarks.replay.content import make_replay, refer_to
from earspan.benchmarks.replay.lanes import choose_lanes, find_reference, name_of
from earspan.datasets.recording import Word

from ...speech.planted import RATE, call_record
from ..results.planted import planted_run
from .planted import planted_recording

SECOND = np.zeros(RATE, np.float32)


def replayed(said: str, *committed: str):
    """The words of the one lane of a replay in which each text was committed by a call."""
    calls = tuple(call_record(n, n + 1, tuple(text.split())) for n, text in enumerate(committed))
    reference = Reference("r", said, None, "planted", None, 1.0)
    (lane,) = make_replay(reference, SECOND, [Track("r", "disjoint", 1.0, None, None, calls)]).lanes
    return lane


def marks(lane):
    """Each word with what was said instead and missed before, and at the end what was missed last."""
    words = [(w.text, w.said, " ".join(w.missed)) for caption in lane.captions for w in caption.words]
    return words, " ".join(lane.captions[-1].missed)


@pytest.mark.parametrize(
    ("said", "heard", "words", "last"),
    [
        ("red fox", ["red", "fox"], [("red", None, ""), ("fox", None, "")], ""),
        ("red fox", ["red", "socks"], [("red", None, ""), ("socks", "fox", "")], ""),
        ("a red fox", ["a", "fox"], [("a", None, ""), ("fox", None, "red")], ""),
        ("a red fox", ["a", ""], [("a", None, "")], "red fox"),
        ("red fox", ["red and", "fox"], [("red", None, ""), ("and", "", ""), ("fox", None, "")], ""),
        ("It's here.", ["it is", "HERE"], [("it", None, ""), ("is", None, ""), ("HERE", None, "")], ""),
        ("", ["red"], [("red", None, "")], ""),  # nobody knows what was said: nothing is wrong
        ("red", [""], [], "red"),
    ],
)
def test_words_are_marked_as_they_are_scored(said, heard, words, last):
    assert marks(replayed(said, *heard)) == (words, last)


def test_a_caption_comes_when_its_call_finishes():
    run, recording = planted_run(), planted_recording()
    lanes = choose_lanes(run, "a", ["disjoint@l4", "sliding@t4"])
    replay = make_replay(run.by_id["a"], recording.audio, lanes, "none")
    quick, slow = ([(c.call.finish_at_s, [w.text for w in c.words]) for c in lane.captions] for lane in replay.lanes)
    assert quick == [(2.5, ["one"]), (4.5, ["three"])]
    assert slow == [(5.0, ["one", "two"]), (8.0, ["three", "four"])]
    assert replay.speech_s == 4.0
    assert replay.duration_s == 8.0  # silence until the last words, but never more than was said
    assert not replay.audio[len(recording.audio) :].any()
    assert "does not keep up" in " ".join(replay.lanes[1].facts)
    assert "2 errors in 4 words, 50.0 %" in replay.lanes[0].facts


def test_a_backend_that_is_far_behind_does_not_fill_the_file():
    calls = tuple(call_record(n, n + 1.0, ("w",), (), 9.0 * n, 9.0 * n + 9) for n in range(3))
    track = Track("r", "disjoint", 1.0, None, "t4", calls)
    replay = make_replay(Reference("r", "", None, "planted", None, 3.0), np.tile(SECOND, 3), [track])
    assert replay.duration_s == 6.0
    assert "3 of 3 calls" in " ".join(replay.lanes[0].facts)


def test_by_default_the_fastest_one_between_and_the_slowest_that_keeps_up():
    run = planted_run()
    service_s = {"b200": 0.1, "h100": 0.2, "a100": 0.3, "l4": 0.9, "t4": 3.0}
    tracks = [
        Track("a", strategy, window_s, 1.0, backend, tuple(
            call_record(2.0 * n, 2.0 * n + 2, ("w",), (), 2.0 * n + 2, 2.0 * n + 2 + s) for n in range(2)))
        for strategy in ("disjoint", "sliding") for window_s in (2.0, 5.0)
        for backend, s in [*service_s.items(), (None, 0.0)]
    ]  # fmt: skip
    run = replace(run, tracks=tuple(tracks))
    names = [name_of(track) for track in choose_lanes(run, "a")]
    assert names == ["sliding:5@infinite", "sliding:5@b200", "sliding:5@a100", "sliding:5@l4"]


def test_lanes_are_found_by_backend_strategy_and_window():
    run = planted_run()
    asked = ["l4", "disjoint", "disjoint:2@t4", "infinite"]
    found = ["sliding:2@l4", "disjoint:2@l4", "disjoint:2@t4", "sliding:2@infinite"]
    assert [name_of(track) for track in choose_lanes(run, "a", asked)] == found
    assert len(choose_lanes(run, "a", ["l4", "sliding@l4"])) == 1
    for wrong in (["h100"], ["sliding:7"], ["sliding@h100"]):
        with pytest.raises(InputError, match="unknown lane"):
            choose_lanes(run, "a", wrong)
    with pytest.raises(InputError, match="at most 4"):
        choose_lanes(run, "a", [*asked, "disjoint@infinite"])


def test_recordings_are_found_with_or_without_the_part_that_was_heard():
    run = planted_run()
    renamed = tuple(replace(r, id=f"{r.id} 0-12 s") for r in run.references)
    part = replace(
        run, references=renamed, tracks=tuple(replace(t, recording=f"{t.recording} 0-12 s") for t in run.tracks)
    )
    assert find_reference(run, None).id == "a"
    assert find_reference(part, "b").id == find_reference(part, "b 0-12 s").id == "b 0-12 s"
    with pytest.raises(InputError, match="unknown recording"):
        find_reference(run, "c")
    with pytest.raises(InputError, match="only planned"):
        find_reference(replace(run, tracks=()), None)


def test_what_was_played_live_is_compared_as_far_as_it_was_played():
    recording = planted_recording()
    assert refer_to(recording, 4.0).text == "one two three four"
    assert refer_to(recording, 2.0).words == (Word("one", 0.0, 0.5), Word("two", 1.0, 1.5))
    assert refer_to(recording, 2.0).text == "one two"
    assert refer_to(replace(recording, words=None), 2.0).text == ""
    assert refer_to(replace(recording, words=None), 4.0).text == "one two three four"
