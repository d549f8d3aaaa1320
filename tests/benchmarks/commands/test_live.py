"""`earspan live` on an injected clock: lines in a pipe, dim and solid on a terminal, and an end by Ctrl-C."""

import io
import re

import numpy as np
import pytest
import soundfile
from earspan.benchmarks.commands import live
from earspan.benchmarks.commands.live import screen
from earspan.benchmarks.experiment import run as pipeline
from earspan.benchmarks.experiment.live import find_recording
from earspan.datasets import SAMPLE_RATE, open_dataset
from earspan.speech.streaming.realtime import Caption
from rich.console import Console

from ...speech.planted import PerfectEngine, planted_speech


class Planted:
    """A clock that jumps to every deadline; Ctrl-C comes at the one after `stops_after`."""

    def __init__(self, stops_after: int = 10**9) -> None:
        self.at_s, self.left = 50.0, stops_after

    def now_s(self) -> float:
        return self.at_s

    def sleep_until(self, at_s: float) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.at_s = max(self.at_s, at_s)


@pytest.fixture
def play(earspan, monkeypatch):
    """Plays 9 s of planted words, heard without errors where a window holds them; gives (exit code, stdout, stderr)."""
    recording = planted_speech(3, 9.0)
    engine = PerfectEngine([recording])
    monkeypatch.setattr(live, "find_recording", lambda given: recording)
    monkeypatch.setattr(pipeline, "load_recogniser", lambda *asked: engine.recogniser)
    monkeypatch.setattr(pipeline, "make_engine_of", lambda experiment, recogniser, cache: engine)

    def run(*argv, wall=None):
        monkeypatch.setattr(live, "WallClock", lambda: wall or Planted())
        return earspan("live", "planted", "--window", "3", *argv)

    return run


def lines_of(out: str) -> list[tuple[float, str]]:
    return [(float(at), words) for at, words in re.findall(r"^ +([\d.]+) s  (.+)$", out, re.MULTILINE)]


def test_lines_come_with_the_time_and_end_with_a_summary(play):
    code, out, err = play("--strategy", "disjoint", "--backend", "t4")
    assert code == 0
    # Windows of 3 s: each is heard at its end, and a T4 takes its time for large-v3.
    lines = lines_of(out)
    assert [window_s < at < window_s + 2 for window_s, (at, _) in zip((3, 6, 9), lines, strict=True)] == [True] * 3
    said = " ".join(words for _, words in lines).split()
    assert said == sorted(said, key=lambda word: int(word[1:]))
    assert said[0] == "w0"
    assert "large-v3 on t4, simulated" in err
    assert "word latency p50/p95/p99" in out
    assert "WER" in out
    assert "\x1b" not in out


def test_this_machine_is_measured(play):
    code, out, err = play("--backend", "here", "--seconds", "4", "--step", "2")
    assert code == 0
    assert "times of this machine" in err
    # The planted clock stands still while the model works, so words appear just when they have been spoken.
    assert [at for at, _ in lines_of(out)][-1] == 4.0
    assert "RTF 0.000" in out
    assert "WER 0.0 %" in out


@pytest.mark.parametrize(("backend", "kept"), [("here", False), ("h100", True)])
def test_a_model_is_heard_and_this_machine_keeps_no_transcripts(
    earspan, small_folder, tmp_path, tiny_options, monkeypatch, backend: str, kept: bool
):
    monkeypatch.setattr(live, "WallClock", Planted)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    given = ("--window", "3", "--backend", backend, "--strategy", "disjoint", *tiny_options)
    code, out, err = earspan("live", small_folder, *given)
    assert code == 0
    assert "heard by tiny-random" in err
    assert "s played; WER" in out
    assert ("0 transcripts" not in earspan("cache", "info")[1]) is kept


@pytest.mark.parametrize(("backend", "waits"), [("h100", 1), ("here", 2)])
def test_ctrl_c_ends_with_what_was_heard(play, backend: str, waits: int):
    code, out, err = play("--backend", backend, "--strategy", "disjoint", wall=Planted(stops_after=waits))
    assert code == 0
    assert 1 <= len(lines_of(out)) <= waits
    assert "3.0 s played" in out
    assert "stopped" in err
    code, out, _ = play("--backend", backend, wall=Planted(stops_after=0))
    assert (code, out) == (0, "")


def test_what_can_be_find_recording(tmp_path, small_folder):
    assert find_recording("talks").id == next(iter(open_dataset("talks"))).id
    assert find_recording("talks:the-storm").id == "the-storm"
    path = tmp_path / "memo.wav"
    soundfile.write(path, np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    memo = find_recording(str(path))
    assert (memo.id, memo.text, memo.words, memo.duration_s) == ("memo", "", None, 1.0)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("talks:the-strom",), "did you mean 'the-storm'"),
        (("gone.wav",), "gone.wav"),
        (("talks", "--backend", "h10"), "did you mean 'h100'"),
        (("talks", "--window", "31"), "at most 30 s"),
        (("talks", "--seconds", "0.00001"), "no audio"),
        (("talks", "--backend", "t4", "--step", "0.1"), "sustains no window"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(earspan, argv, expected):
    code, out, err = earspan("live", *argv)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert expected in err


def test_a_terminal_shows_interim_words_dim_and_committed_ones_solid():
    file, captions = io.StringIO(), []
    console = Console(file=file, force_terminal=True, width=24, color_system="standard", highlight=False)
    with screen(captions, console) as show:
        show(Caption((), ("perhaps", "this"), 1.0, 1.0))
        show(Caption(("certainly", "this"), ("and", "this"), 2.0, 2.0))
        show(Caption(("and", "so", "it", "goes"), (), 3.0, 3.0))
    out = file.getvalue()
    assert "\x1b[2mperhaps this\x1b[0m" in out
    assert "certainly this\x1b[2m and this" in out
    # The line is full: it stays above, and the rest goes on below.
    assert re.search(r"certainly this and so it\s.*goes", out, re.DOTALL)
    assert len(captions) == 3
