"""Calls of a real server, open-asr-server with faster-whisper, beside our own CTranslate2 engine; also when it dies."""

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from earspan import Experiment, InputError, Measurement, measure, open_dataset, run, score
from earspan.backends.measured.address import Address
from earspan.backends.measured.exchange import quantise
from earspan.backends.measured.records import EndpointOptions
from earspan.backends.measured.rest import RestEndpoint
from earspan.speech.asr.engines import DECODINGS
from earspan.speech.asr.hypothesis import Clip

from ..backends.measured.faults import FaultyEndpoint
from .running import Server, running

PROGRAM, MODEL = "open-asr-server", "openai/whisper-tiny.en"
VENV = Path(sys.prefix) / "servers" / PROGRAM
SECRET = "sk-planted-0123456789"
CHUNKS, CHUNK_S = 20, 5.0
# its command has no option for these weights: int8 is the default of a parameter
IN_FLOAT32 = """
import sys
from open_asr_server.backends.faster_whisper import FasterWhisperBackend
from open_asr_server.cli import main
made = FasterWhisperBackend.__init__
made.__defaults__ = tuple("float32" if value == "int8" else value for value in made.__defaults__)
sys.exit(main())
"""


@pytest.fixture(scope="module")
def folder(real_weights, tmp_path_factory) -> Path:
    """A folder in which the server finds tiny.en by its name."""
    real_weights("tiny.en")
    pytest.importorskip("ctranslate2", reason="no ctranslate2: pip install 'earspan[ct2]'")
    folder = tmp_path_factory.mktemp("served")
    convert = [sys.executable, "-m", "earspan.benchmarks.commands.cli", "convert", "tiny.en"]
    subprocess.run([*convert, "--quantization", "float32", "--out", str(folder / "tiny.en")], check=True)
    return folder


def serving(folder: Path) -> AbstractContextManager[Server]:
    """Within it a server listens on 127.0.0.1; skips where there is none."""
    if not (VENV / "bin" / PROGRAM).exists():
        pytest.skip(f"no {PROGRAM}: `make test-servers` installs it in {VENV}")

    def command(port: int) -> list[str]:
        serve = [str(VENV / "bin/python"), "-c", IN_FLOAT32, "serve", "--host", "127.0.0.1", "--port", str(port)]
        return [*serve, "--preload", MODEL]

    return running(command, "/openapi.json", folder)


def chunks(count: int) -> list[np.ndarray]:
    """The first pieces of the bundled talks, as they are after they were sent."""
    found: list[np.ndarray] = []
    for entry in open_dataset("talks-clean"):
        audio, samples = entry.load().audio, round(CHUNK_S * 16000)
        found += [audio[at : at + samples] for at in range(0, 4 * samples, samples)]
    return [(quantise(one) / 32768).astype(np.float32) for one in found[:count]]


def test_twenty_chunks_have_the_text_of_our_engine(folder, tiny_en):
    """Both with 5 beams at temperature 0 in float32, without words, which move where the server goes on."""
    from earspan.speech.asr.ct2_engine import Ct2Engine

    options = EndpointOptions(timestamps="segment", temperature=0.0)
    pieces = chunks(CHUNKS)
    with serving(folder) as server:
        endpoint = RestEndpoint(Address.parse(f"openai:http://127.0.0.1:{server.port}/v1"), MODEL, options)
        answers = [endpoint.transcribe(audio).text for audio in pieces]
        endpoint.close()
    engine = Ct2Engine(tiny_en, replace(DECODINGS["beam"], temperatures=(0.0,)))
    ours = [found.text.strip() for found in engine.transcribe([Clip(audio) for audio in pieces])]
    assert len(set(answers)) > CHUNKS / 2
    assert answers == ours


def test_a_server_that_dies_is_one_line_and_the_next_is_asked_for_the_rest(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("EARSPAN_API_KEY", SECRET)
    options = EndpointOptions(retries=1, timeout_s=60)
    asked = {"strategy": "disjoint", "window_s": 5.0, "recordings": 2, "head_s": 20.0, "loads": ("1x1",)}
    with FaultyEndpoint() as proxy:
        experiment = Experiment(backends=(f"openai:{proxy.url}#{MODEL}",), endpoint=options, **asked)
        with serving(folder) as server:
            proxy.upstream = server.port
            with pytest.raises(InputError, match="--max-requests 3"):
                run(replace(experiment, endpoint=replace(options, max_requests=3)), out=tmp_path)
            os.kill(server.process.pid, signal.SIGSTOP)
            with pytest.raises(InputError, match="timeout"):
                run(replace(experiment, endpoint=replace(options, timeout_s=1.0)), out=tmp_path)
            server.process.kill()
            with pytest.raises(InputError, match="connection"):
                run(experiment, out=tmp_path)
        assert len(proxy.answered) == 3
        with serving(folder) as server:
            proxy.upstream = server.port
            results = score(run(experiment, out=tmp_path))
    assert len(proxy.answered) == len(set(proxy.answered)) == results.endpoints[0].calls == 8
    assert results.endpoints[0].asked_now == 5
    assert results.rows[0].wer < 0.2
    print(results.endpoints[0])
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_a_talk_is_heard_live_in_calls(folder, tmp_path):
    with serving(folder) as server:
        target = f"openai:http://127.0.0.1:{server.port}/v1#{MODEL}"
        asked = Measurement(target=target, seconds=10, strategy="disjoint", window_s=5, patience_s=120)
        (load,) = measure(asked, tmp_path / "out").loads
    print(load)
    assert (load.ended, load.errors) == (1, {})
    assert load.wer <= 0.5  # chunks of 5 s cut words
    assert load.word_latency.count > 10
    assert load.ttfs.p50_s > 0
