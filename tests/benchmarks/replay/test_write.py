"""The file: its audio is the recording's, hostile texts are text, and what cannot be had is said in a line."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.records import write_run
from earspan.benchmarks.replay.content import make_replay
from earspan.benchmarks.replay.page import render_replay
from earspan.benchmarks.replay.sound import compress, find_audio, peaks
from earspan.datasets.recording import Word, head

from ...speech.planted import RATE, call_record, planted_speech
from ..commands.test_live import play as play  # the fixture
from ..results.planted import planted_run
from .planted import planted_recording, run_of, stored_dataset

HOSTILE = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u202eevil", "&quot;'\"", "w" * 10**6)


def audio_of(html: str) -> np.ndarray:
    """The audio in a page, decoded."""
    encoded = re.search(r'src="data:audio/mpeg;base64,([^"]+)"', html)[1]
    return soundfile.read(io.BytesIO(base64.b64decode(encoded)), dtype="float32")[0]


def test_the_command_writes_the_recording_of_a_run(earspan, tmp_path):
    write_run(tmp_path / "run", run_of(stored_dataset(tmp_path / "set")))
    code, out, _ = earspan("replay", tmp_path / "run", "--recording", "b", "--lanes", "l4,t4")
    assert code == 0
    assert out.strip() == str(tmp_path / "run/replay.html")
    html = (tmp_path / "run/replay.html").read_text()
    assert [float(at) for at in re.findall(r'data-at="([\d.]+)"', html)] == [2.5, 4.5, 5.0, 8.0]
    heard, said = audio_of(html), planted_recording().audio
    assert len(heard) == pytest.approx(8 * RATE, abs=RATE // 20)
    assert np.corrcoef(np.abs(heard[: len(said)]), np.abs(said))[0, 1] > 0.8  # sound where there were words

    code, _, err = earspan("replay", tmp_path / "run", "--lanes", "h100")
    assert (code, err.count("\n")) == (2, 1)
    assert "unknown lane 'h100'" in err


def test_two_minutes_are_less_than_three_megabytes():
    recording = planted_speech(1, 120.0)
    audio = recording.audio + np.random.default_rng(0).normal(0, 0.01, len(recording.audio)).astype(np.float32)
    uri = compress(audio)
    assert len(uri) < 1_500_000
    assert len(audio_of(f'src="{uri}"')) == pytest.approx(len(audio), abs=RATE // 10)


def test_peaks_are_where_the_sound_is():
    found = peaks(planted_recording().audio)
    assert len(found) == 80
    assert [value > 0.5 for value in found] == [number % 20 < 10 for number in range(80)]
    assert peaks(np.zeros(RATE, np.float32)) == [0.0] * 20


def test_the_part_that_was_heard_is_found(tmp_path):
    run = run_of(stored_dataset(tmp_path / "set"))
    part = replace(run, experiment=replace(run.experiment, head_s=2.0))
    words = run.by_id["a"].words[:2]
    reference = replace(run.by_id["a"], id="a 0-2 s", text="one two", words=words, duration_s=1.75)
    assert len(find_audio(part, reference)) == len(head(planted_recording(), 2.0).audio) == 1.75 * RATE
    stored_dataset(tmp_path / "set", word_times=False)  # times came from the model then, and are not asked for again
    assert len(find_audio(part, replace(reference, duration_s=1.6))) == 1.6 * RATE
    with pytest.raises(InputError, match="not what the run heard"):
        find_audio(part, replace(reference, text="one too"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": "one two three five"}, "not what the run heard"),
        ({"duration_s": 4.5}, "not what the run heard"),
        ({"id": "c"}, "no such recording"),
    ],
)
def test_another_recording_is_refused(tmp_path, change, reason):
    run = run_of(stored_dataset(tmp_path / "set"))
    with pytest.raises(InputError, match=reason):
        find_audio(run, replace(run.by_id["a"], **change))


def test_a_dataset_that_is_gone_is_named(tmp_path):
    run = run_of(tmp_path / "gone")
    with pytest.raises(InputError, match=r"no audio of 'a'.*gone"):
        find_audio(run, run.by_id["a"])
    dataset = stored_dataset(tmp_path / "gone")
    (dataset / "a.wav").unlink()
    with pytest.raises(InputError, match=r"no audio of 'a'.*a\.wav"):
        find_audio(run, run.by_id["a"])


def test_hostile_texts_are_text(tmp_path):
    run, recording = planted_run(), planted_recording()
    words = tuple(Word(text, at, at + 0.5) for at, text in enumerate(HOSTILE))
    reference = replace(run.by_id["a"], id=HOSTILE[0], text=" ".join(HOSTILE), words=words)
    call = call_record(0.0, 4.0, HOSTILE, HOSTILE, 4.0, 4.5)
    track = replace(run.tracks[0], calls=(call,), backend=HOSTILE[1], strategy=HOSTILE[0])
    html = render_replay(make_replay(reference, recording.audio, [track]), HOSTILE[:4])
    assert "<img" not in html
    assert html.count("<script>") == html.count("</script>") == 1
    assert "\u202e" not in html
    assert len(html) < 300_000  # nobody reads a word of a million letters


def test_times_of_calls_are_in_the_page():
    run, recording = planted_run(), planted_recording()
    html = render_replay(make_replay(run.by_id["a"], recording.audio, [run.tracks[0]]), [])
    calls = [json.loads(text.replace("&quot;", '"')) for text in re.findall(r'data-calls="([^"]*)"', html)]
    c = run.tracks[0].calls[0]
    assert calls[1][0] == [c.start_s, c.end_s, c.arrival_at_s, c.start_at_s, c.finish_at_s]


@pytest.mark.parametrize(("options", "name"), [(("--backend", "l4"), "l4"), (("--backend", "here"), "this machine")])
def test_what_is_played_live_can_be_kept(play, tmp_path, options, name):
    code, out, _ = play(*options, "--seconds", "4", "--step", "1", "--replay", tmp_path / "live.html")
    assert code == 0
    html = (tmp_path / "live.html").read_text()
    assert str(tmp_path / "live.html") in out
    assert re.findall(r"<h2>(.*?)</h2>", html) == ["What is said", name]
    assert 4 * RATE <= len(audio_of(html)) < 7 * RATE
    shown = re.findall(r'<span class="word">(w\d+)</span>', html)
    assert shown[0] == "w0"
    assert " 0 errors in" in html
