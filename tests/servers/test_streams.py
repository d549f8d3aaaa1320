"""Live streams on real servers, at the pace of speech: WhisperLiveKit by both its policies, and many streams at once.

For a longer run than in CI: SERVER_SECONDS=60 make test-servers.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from earspan import InputError, Measurement, measure, open_dataset
from earspan.benchmarks.measure.records import VALID, read_streams
from earspan.speech.streaming.paced import MOST_LATE_S

from .running import Server, running

SECONDS = float(os.environ.get("SERVER_SECONDS", "10"))
PROGRAM = "whisperlivekit-server"
SECRET = "sk-planted-0123456789"
VENV = Path(sys.prefix) / "servers" / "whisperlivekit"


def find_program() -> str:
    found = shutil.which(PROGRAM, path=VENV / "bin") or shutil.which(PROGRAM)
    if found is None:
        pytest.skip(f"no {PROGRAM}: it needs another torch than ours; `make test-servers` installs it in {VENV}")
    return found


@pytest.fixture(scope="session")
def weights(real_weights, tmp_path_factory) -> tuple[Path, Path]:
    """tiny.en in OpenAI's format and in CTranslate2's."""
    pytest.importorskip("ctranslate2", reason="no ctranslate2: pip install 'earspan[ct2]'")
    checkpoint = real_weights("tiny.en").path
    folder = tmp_path_factory.mktemp("weights") / "tiny.en-ct2"
    convert = [sys.executable, "-m", "earspan.benchmarks.commands.cli", "convert", "tiny.en", "--out", str(folder)]
    subprocess.run(convert, check=True, capture_output=True)
    return checkpoint, folder


def whisperlivekit(policy: str, weights: tuple[Path, Path], folder: Path) -> AbstractContextManager[Server]:
    """Within it a server listens on 127.0.0.1; skips where there is none."""
    program, (checkpoint, converted) = find_program(), weights
    models = (
        ["--model_dir", str(converted)]
        if policy == "localagreement"
        else ["--decoder-model-path", str(checkpoint), "--encoder-model-path", str(converted)]
    )

    def command(port: int) -> list[str]:
        return [program, "--host", "127.0.0.1", "--port", str(port), "--lan", "en", "--backend", "faster-whisper",
                "--backend-policy", policy, "--warmup-file", "", "--pcm-input", *models]  # fmt: skip

    return running(command, "/health", folder)


def target_of(server: Server) -> str:
    return f"wlk:ws://127.0.0.1:{server.port}/asr"


@pytest.mark.parametrize(("policy", "most_wrong"), [("simulstreaming", 0.25), ("localagreement", 0.5)])
def test_whisperlivekit_hears_a_talk(policy, most_wrong, weights, tmp_path):
    with whisperlivekit(policy, weights, tmp_path) as server:
        found = measure(Measurement(target=target_of(server), seconds=SECONDS, patience_s=180.0), tmp_path / "out")
    (load,) = found.loads
    print(policy, load)
    assert (load.ended, load.errors) == (1, {})
    assert (load.verdict == VALID) == (load.late_max_s <= MOST_LATE_S), load.reason  # server and player share the cores
    assert load.wer <= most_wrong
    assert load.word_latency.count > SECONDS  # words, of which there are two or three a second
    assert load.word_latency.p50_s > 0
    assert load.audio_s == pytest.approx(SECONDS, abs=2.0)


def test_a_server_that_is_killed_leaves_what_it_said(weights, tmp_path):
    out, seconds = tmp_path / "out", 30.0
    with whisperlivekit("simulstreaming", weights, tmp_path) as server:

        def kill_within_the_streams() -> None:
            while "WebSocket connection opened" not in server.log.read_text():
                time.sleep(0.1)
            time.sleep(6)
            server.kill()

        threading.Thread(target=kill_within_the_streams, daemon=True).start()
        found = measure(Measurement(target=target_of(server), streams=(2, 4), seconds=seconds, patience_s=20.0), out)
        assert [load.errors for load in found.loads] == [{"closed": 2}]
        assert "larger loads were not tried" in found.limited_by
        ends_s = [one.sends[-1].due_s for one in read_streams(out, 2) or () if one.sends]
        assert 2.0 < max(ends_s) < seconds - 5
        before = (out / "streams-2.jsonl").read_bytes()
        with pytest.raises(InputError, match="connection"):
            measure(found.measurement, out)
        assert (out / "streams-2.jsonl").read_bytes() == before


@pytest.fixture
def planted_server() -> Iterator[Callable[[str], str]]:
    """Starts a planted server of a talk, by its id, in a process of its own, and gives the target."""
    started = list[subprocess.Popen]()

    def start(recording: str) -> str:
        command = [sys.executable, "-m", "tests.servers.planted", recording, str(SECONDS)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]))
        assert started[0].stdout
        return f"realtime:ws://127.0.0.1:{started[0].stdout.readline().strip()}/v1/realtime#planted"

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_many_streams_are_sent_in_time(planted_server, tmp_path, monkeypatch):
    monkeypatch.setenv("EARSPAN_API_KEY", SECRET)
    entry = next(iter(open_dataset("talks-clean")))
    folder = tmp_path / "data"
    folder.mkdir()
    line = {"audio_filepath": str(entry.audio_path), "id": entry.id, "duration": entry.duration_s, "text": entry.text,
            "words": [{"word": w.text, "start": w.start_s, "end": w.end_s} for w in entry.words or ()]}  # fmt: skip
    (folder / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    target = planted_server(entry.id)
    asked = Measurement(target=target, dataset=str(folder), streams=(1, 2, 4, 8), seconds=SECONDS)
    found = measure(asked, tmp_path / "out")
    for _ in range(3):
        if not found.is_clean:  # a load that this machine did not keep the pace of is played again, and no other
            found = measure(asked, tmp_path / "out")
    for load in found.loads:
        print(load.streams, load.verdict, load.late_p99_s, load.late_max_s, load.ttfs, load.word_latency)
        assert (load.ended, load.errors, load.wer) == (load.streams, {}, 0.0)
        assert (load.verdict == VALID) == (load.late_max_s <= MOST_LATE_S), load.reason
        assert load.ttfs.p50_s >= 0.4
        if load.verdict == VALID:
            assert load.ttfs.p50_s <= 0.4 + 0.2 + 0.1 + 3 * MOST_LATE_S
    files = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) >= 7
    assert not [text for text in files if SECRET in text]
    if not found.is_clean:
        reasons = "; ".join(load.reason for load in found.loads if load.reason)
        pytest.skip(f"all but the pace is as it should be, after four tries: {reasons}")
