import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.speech.asr.model import Recogniser, load_recogniser
from earspan.speech.weights.locate import Located, locate
from earspan.speech.weights.store import weights_folder
from hypothesis import settings

from .tiny import saved, tiny_whisper

# A deadline would make slow machines fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Several processes share the machine: each has a core of its own, or their threads would wait for each other.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    own = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {own[int(worker.removeprefix("gw")) % len(own)]})

# Tests have caches of their own; real weights are fetched once for each machine.
os.environ.setdefault("EARSPAN_WEIGHTS", str(weights_folder().absolute()))


@pytest.fixture(scope="session")
def real_weights() -> Callable[[str], Located]:
    """Finds or fetches an official model: `real_weights("tiny.en")`; the test is skipped where there is none."""

    def find(name: str) -> Located:
        if name not in problems:
            try:
                return locate(name)
            except InputError as error:
                problems[name] = str(error)
        pytest.skip(problems[name])

    problems: dict[str, str] = {}
    return find


@pytest.fixture(scope="session")
def _shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def earspan(capsys, monkeypatch, tmp_path, _shared_cache):
    """Run a command in an empty folder; gives (exit code, stdout, stderr)."""
    from earspan.benchmarks.commands import cli  # here, so that tests of the lower floors do not import the commands

    monkeypatch.setenv("XDG_CACHE_HOME", str(_shared_cache))
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        capsys.readouterr()
        code = cli.main([str(word) for word in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A checkpoint file with random weights, in openai-whisper's format; its texts have at most some 60 tokens."""
    return saved(tiny_whisper(n_text_ctx=64), tmp_path_factory.mktemp("weights") / "tiny-random.pt")


@pytest.fixture(scope="session")
def tiny_options(tiny_checkpoint) -> tuple[str, ...]:
    """What has a command hear with random weights, and time large-v3: text that means nothing, soon."""
    return ("--model", str(tiny_checkpoint), "--timed-as", "large-v3", "--decoding", "greedy")


@pytest.fixture(scope="session")
def tiny_en() -> Recogniser:
    """OpenAI's tiny.en, for tests marked `weights`; skips them where it cannot be had."""
    try:
        return load_recogniser("tiny.en")
    except InputError as error:
        pytest.skip(f"no weights: {error}")


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory):
    """Two short recordings of the bundled talks as a dataset of their own, with word times."""
    import json

    from earspan.datasets import open_dataset

    folder = tmp_path_factory.mktemp("small")
    lines = []
    for entry in list(open_dataset("talks"))[:2]:
        recording = entry.load()
        words = [w for w in recording.words or () if w.end_s < 7]
        end_s = words[-1].end_s + 0.2
        soundfile.write(folder / f"{entry.id}.wav", recording.audio[: round(end_s * 16000)], 16000)
        lines.append(
            {
                "audio_filepath": f"{entry.id}.wav",
                "duration": end_s,
                "id": entry.id,
                "text": " ".join(w.text for w in words),
                "words": [{"word": w.text, "start": w.start_s, "end": w.end_s} for w in words],
            }
        )
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def certificate(tmp_path) -> tuple[str, str]:
    """The files of a certificate for 127.0.0.1 that nobody vouches for, and of its key."""
    pair = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    try:
        subprocess.run([*made, "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True)
    except OSError:
        pytest.skip("no openssl to make a certificate with")
    return pair


@pytest.fixture
def broken(small_folder, tmp_path):
    """A function that copies the small dataset and damages the copy: `broken(change)` gives its folder."""

    def copy(change):
        folder = tmp_path / "broken"
        shutil.copytree(small_folder, folder)
        change(folder)
        return folder

    return copy


def put_nan(path: Path) -> None:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    samples[100] = np.nan
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")


@pytest.fixture(scope="session")
def tones() -> Callable[..., np.ndarray]:
    """Makes `seconds` of a tone sequence in noise, float32 at 16 kHz, another for every seed."""

    def make(seconds: float, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        samples = round(seconds * 16_000)
        hertz = np.repeat(rng.uniform(100, 4000, samples // 2000 + 1), 2000)[:samples]
        tone = np.sin(2 * np.pi * np.cumsum(hertz) / 16_000)
        return (0.3 * tone + 0.03 * rng.standard_normal(samples)).astype(np.float32)

    return make
