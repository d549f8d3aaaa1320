"""Samples are seeded and not the first n; streams are their parts with silence between, word times moved along."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.datasets.recording import Entry, Word
from earspan.datasets.selection import join_streams, sample


def entry(number: int, duration_s: float = 36.0, speaker: str | None = "anna") -> Entry:
    return Entry(f"u{number}", Path("x.wav"), f"word{number}", None, duration_s, None, speaker, "set", f"list:{number}")


ENTRIES = [entry(i) for i in range(1000)]


def test_a_sample_has_the_hours_and_the_order_and_depends_on_the_seed_only():
    drawn = sample(ENTRIES, 1.0, seed=1)
    assert len(drawn) == 100
    assert drawn == [one for one in ENTRIES if one in drawn]
    assert {one.id for one in sample(ENTRIES[::-1], 1.0, seed=1)} == {one.id for one in drawn}
    assert sample(ENTRIES, 1.0, seed=2) != drawn
    assert drawn != ENTRIES[:100]
    assert {one.id for one in drawn} <= {one.id for one in sample(ENTRIES, 2.0, seed=1)}
    assert len(sample(ENTRIES, 99.0, seed=1)) == 1000


def test_a_sample_is_spread_over_the_list():
    places = [int(one.id[1:]) for one in sample(ENTRIES, 2.0, seed=0)]
    # Mean of 200 of 0..999 without replacement: sd 999 / sqrt(12 * 200) * 0.9 = 18.
    assert abs(np.mean(places) - 499.5) < 4 * 18


def test_streams(tmp_path: Path):
    parts = []
    for number, (seconds, speaker) in enumerate([(1.0, "a"), (2.0, "b"), (0.5, "a")]):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.full(round(16_000 * seconds), 0.1 * (number + 1)), 16_000, subtype="FLOAT")
        one = replace(entry(number, seconds, speaker), audio_path=path, words=(Word(f"word{number}", 0.1, 0.4),))
        parts.append(replace(one, group=f"chapter{number % 2}"))
    first, second = join_streams(parts, "speaker", gap_s=0.25)
    assert (first.id, first.text, first.duration_s) == ("speaker a", "word0 word2", 1.75)
    recording = first.load()
    assert recording.audio.shape == (28_000,)
    assert recording.audio[15_999] == pytest.approx(0.1)
    assert not recording.audio[16_000:20_000].any()
    assert recording.audio[20_000] == pytest.approx(0.3)
    assert recording.words == (Word("word0", 0.1, 0.4), Word("word2", 1.35, 1.65))
    assert recording.speaker == "a"
    assert second.load().audio.shape == (32_000,)
    assert [stream.id for stream in join_streams(parts, "chapter", 0.5)] == ["chapter chapter0", "chapter chapter1"]


def test_streams_need_to_know_whose_they_are():
    with pytest.raises(InputError, match=r"--stream-by speaker: list:7: recording 'u7' names no speaker"):
        join_streams([entry(7, speaker=None)], "speaker", 0.5)
