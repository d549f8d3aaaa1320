"""The synthetic corpus: words are where their times say, and a shard comes out the same however it was made."""

import ctypes
import itertools
import json
import multiprocessing
import random
from pathlib import Path

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.datasets.synthesis import Voice, speak
from earspan.speech.pocket import corpus
from earspan.speech.pocket.corpus import UNSEEN_VOICES, draw_voice, load_shard, make_recording, make_shard
from earspan.speech.pocket.text import TextSource

from ..installed import needs_natural_text


def _installed() -> bool:
    try:
        for name in ("libespeak-ng.so.1", "libflite.so.1", "libflite_cmu_us_slt.so.1"):
            ctypes.CDLL(name)
    except OSError:
        return False
    return True


synthesised = pytest.mark.skipif(
    not _installed(), reason="eSpeak NG or Flite is not installed (apt-get install espeak-ng flite)"
)
FORKED = multiprocessing.get_context("fork").Pool  # its workers have what a test put in place of something
VOICES = [
    Voice("espeak:en-us+m3"),
    Voice("espeak:en-gb-x-rp+f2", rate=1.2, pitch=40, size=1.1),
    Voice("flite:slt"),
    Voice("flite:rms", rate=0.9, size=0.92),
]


def loudness(audio: np.ndarray, start_s: float, end_s: float) -> float:
    piece = audio[round(start_s * 16_000) : round(end_s * 16_000)].astype(np.float64)
    return float(np.sqrt(np.mean(piece**2))) if len(piece) else 0.0


@synthesised
@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: voice.name)
def test_words_are_spoken_where_their_times_say(voice: Voice):
    sentence = "The storm took seven boats, and nobody in the city knew why."
    spoken = speak(sentence, voice)
    assert [word.text for word in spoken.words] == sentence.split()
    duration_s = len(spoken.audio) / 16_000
    for earlier, later in itertools.pairwise(spoken.words):
        assert 0 <= earlier.start_s < earlier.end_s <= later.start_s + 1e-6
    assert spoken.words[-1].end_s <= duration_s
    assert all(loudness(spoken.audio, word.start_s, word.end_s) > 0.01 for word in spoken.words)
    assert loudness(spoken.audio, spoken.words[-1].end_s + 0.05, duration_s) < 0.01  # nothing after the last word
    assert np.abs(spoken.audio).max() <= 1.05


@synthesised
def test_the_times_follow_rate_and_size():
    sentence = "One small machine can hear a whole city."
    for name in ("espeak:en-us+m1", "flite:slt"):
        plain = speak(sentence, Voice(name))
        larger = speak(sentence, Voice(name, size=1.1))  # played faster: shorter by the same factor
        assert len(larger.audio) == pytest.approx(len(plain.audio) / 1.1, rel=0.02)
        for word, same in zip(larger.words, plain.words, strict=True):
            assert word.start_s == pytest.approx(same.start_s / 1.1, abs=0.03)
        assert len(speak(sentence, Voice(name, rate=1.25)).audio) < 0.9 * len(plain.audio)


@pytest.mark.parametrize("name", ["festival:slt", "slt", ""])
def test_an_unknown_synthesiser(name: str):
    with pytest.raises(InputError, match="unknown synthesiser"):
        speak("Hello.", Voice(name))


@synthesised
def test_an_unknown_voice():
    with pytest.raises(InputError, match="espeak-ng has no voice 'nowhere'"):
        speak("Hello.", Voice("espeak:nowhere"))


def test_unseen_voices_are_never_drawn():
    rng = random.Random(1)
    drawn = {draw_voice(rng).name for _ in range(5000)}
    assert not drawn & set(UNSEEN_VOICES)
    assert len(drawn) == len({*corpus.FLITE_VOICES, *corpus.PLAIN_VOICES, *corpus.NAMED_VOICES})  # and all others are


@synthesised
def test_a_recording_holds_what_its_words_say(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(corpus, "RECORDING_S", 6.0)
    audio, _, words = make_recording(random.Random(3), TextSource(3))
    assert audio.dtype == np.int16
    assert len(audio) >= 6.0 * 16_000
    assert np.abs(audio).max() == pytest.approx(0.5 * 32767, abs=1)
    source = TextSource(3)
    text = [word for word, _, _ in words]
    spoken: list[str] = []
    while len(spoken) < len(text):
        spoken += source.sentence().split()
    assert text == spoken
    for (_, start_s, end_s), (_, next_s, _) in itertools.pairwise(words):
        assert 0 <= start_s <= end_s <= next_s + 0.002
    assert words[-1][2] <= len(audio) / 16_000


@synthesised
def test_an_unfinished_shard_is_made_again_and_says_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(corpus, "RECORDING_S", 2.0)
    monkeypatch.setattr(corpus, "SHARD_S", 5.0)
    make_shard(tmp_path / "a", 4)
    first = load_shard(tmp_path / "a", 4)
    assert len(first) >= 2
    assert sum(len(recording.audio) for recording in first) >= 5.0 * 16_000
    assert all(recording.words for recording in first)

    # Killed while it wrote: samples are there, maybe half of them, and the list of recordings is not.
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "shard-0004.npy").write_bytes(b"half")
    (tmp_path / "b" / "shard-0004.partial").write_text("[{")
    with pytest.raises(FileNotFoundError):
        load_shard(tmp_path / "b", 4)
    make_shard(tmp_path / "b", 4)
    # The synthesisers' breath and flutter go on from call to call: texts, voices and lengths are the same, samples not.
    for recording, other in zip(load_shard(tmp_path / "b", 4), first, strict=True):
        assert recording.voice == other.voice
        assert [word for word, *_ in recording.words] == [word for word, *_ in other.words]
        assert len(recording.audio) == pytest.approx(len(other.audio), rel=0.02)
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["shard-0004.json", "shard-0004.npy"]

    monkeypatch.setattr(corpus, "make_recording", lambda *_: 1 / 0)
    make_shard(tmp_path / "b", 4)  # is there: nothing to do
    with pytest.raises(ZeroDivisionError):
        make_shard(tmp_path / "b", 5)


def test_load_shard_reads_the_documented_format(tmp_path: Path):
    samples = np.arange(100, dtype=np.int16)
    np.save(tmp_path / "shard-0000.npy", samples)
    records = [
        {"start": 0, "samples": 60, "voice": "x", "words": [["One", 0.0, 0.001]]},
        {"start": 60, "samples": 40, "voice": "y", "words": []},
    ]
    (tmp_path / "shard-0000.json").write_text(json.dumps(records))
    one, two = load_shard(tmp_path, 0)
    np.testing.assert_array_equal(one.audio, samples[:60])
    np.testing.assert_array_equal(two.audio, samples[60:])
    assert (one.voice, one.words, two.voice, two.words) == ("x", [("One", 0.0, 0.001)], "y", [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--workers", "0"], "--workers: 0: expected 1 or more"), (["--shards", "1"], "type: apt-get install zyzz")],
)
def test_what_cannot_be_made_is_said_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    def no_text(*given, **options):
        raise InputError("no text here; type: apt-get install zyzz")

    monkeypatch.setattr(corpus, "Pool", FORKED)
    monkeypatch.setattr(corpus, "make_recording", no_text)
    monkeypatch.setattr("sys.argv", ["corpus", "--out", str(tmp_path), *arguments])
    with pytest.raises(SystemExit) as stop:
        corpus.main()
    assert stop.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.endswith(said)


@synthesised
@needs_natural_text
def test_two_workers_make_the_shards_that_one_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(corpus, "Pool", FORKED)
    monkeypatch.setattr(corpus, "SHARD_S", 5.0)
    monkeypatch.setattr(corpus, "RECORDING_S", 5.0)
    for workers in ("1", "2"):
        monkeypatch.setattr(
            "sys.argv", ["corpus", "--out", str(tmp_path / workers), "--shards", "3", "--workers", workers]
        )
        corpus.main()
    assert capsys.readouterr().out.splitlines() == [f"shard {n}/3" for n in (1, 2, 3)] * 2
    for number in range(3):
        one, two = (load_shard(tmp_path / workers, number) for workers in ("1", "2"))
        assert [(r.voice, [w for w, *_ in r.words]) for r in one] == [(r.voice, [w for w, *_ in r.words]) for r in two]
