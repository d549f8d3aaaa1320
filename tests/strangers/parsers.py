"""Every parser of Earspan: a file, what is in it when it is whole, and how it is read."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from earspan.backends.devices.files import FOLDER, read_device
from earspan.backends.errors import InputError
from earspan.backends.measured.address import Address
from earspan.backends.measured.profile import read_profile
from earspan.backends.measured.streams.realtime import Realtime
from earspan.backends.measured.streams.session import StreamError
from earspan.backends.measured.streams.target import Target
from earspan.backends.measured.streams.whisperlivekit import WhisperLiveKit
from earspan.backends.registry import get_backend
from earspan.backends.serving.cost import read_price
from earspan.backends.workload.whatif import read_decoder
from earspan.benchmarks.capacity.settings import TierShare
from earspan.benchmarks.experiment.experiment import Experiment, Load
from earspan.benchmarks.experiment.records import read_run, write_run
from earspan.benchmarks.imports.formats import FORMATS
from earspan.benchmarks.leaderboard.entry import make_entry, read_entries, write_entry
from earspan.benchmarks.leaderboard.page import write_page
from earspan.benchmarks.measure.records import write_streams
from earspan.benchmarks.report.curve import write_curve_page
from earspan.benchmarks.report.render import render
from earspan.benchmarks.results.curves import read_curve, write_curve
from earspan.benchmarks.results.records import read_results, write_results
from earspan.benchmarks.results.score import score
from earspan.benchmarks.sweep.grid import Sweep
from earspan.datasets.audio import read_audio
from earspan.datasets.formats import open_as
from earspan.speech.metrics.normalise import rules_from
from earspan.speech.metrics.screen import Said
from earspan.speech.streaming.paced import Failed, Send, Streamed
from earspan.speech.weights.checkpoint import read_checkpoint
from earspan.speech.weights.ct2_file import read_variables

from ..backends.measured.planted import planted_profile, written
from ..benchmarks.imports.planted import WRITTEN, put_pipecat
from ..benchmarks.imports.test_formats import EXPORT
from ..benchmarks.leaderboard.test_leaderboard import one_row
from ..benchmarks.report.planted import comparison, evaluation, series, spans
from ..benchmarks.results.planted import planted_run
from ..tiny import tiny_whisper
from .audio import SPOKEN


@dataclass(frozen=True, slots=True)
class Parser:
    """What reads a file. every: of so many rounds one, for what takes longer. refuses: how it may say no."""

    name: str
    path: Path
    whole: bytes
    parse: Callable[[Path], object]
    every: int = 1
    refuses: tuple[type[Exception], ...] = (InputError,)


def find_parsers(folder: Path) -> list[Parser]:
    """Return all of them, their files in `folder`."""
    return [
        *_audio(folder), *_lists(folder / "data"), *_runs(folder), *_settings(folder), *_models(folder),
        *_records(folder / "records"), *_answers(folder), *_typed(folder / "typed"),
    ]  # fmt: skip


def _audio(folder: Path) -> Iterator[Parser]:
    for name, kind in {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III", "aiff": "PCM_24",
                       "w64": "FLOAT", "au": "ULAW"}.items():  # fmt: skip
        held = io.BytesIO()
        soundfile.write(held, np.tile(SPOKEN, 2), 16_000, format=name.upper(), subtype=kind)
        yield Parser(f"audio {name}", folder / f"x.{name}", held.getvalue(), read_audio)


def _lists(data: Path) -> Iterator[Parser]:
    for place in ("", "stm", "1/2", "media", "transcripts/nlp_references"):
        (data / place).mkdir(parents=True, exist_ok=True)
    for name in ("x.wav", "1/2/1-2-0001.wav", "media/x.wav"):
        soundfile.write(data / name, SPOKEN, 16_000)
    cut = {"id": "c", "start": 0, "duration": 0.5, "supervisions": [{"start": 0, "text": "one", "speaker": "a"}],
           "recording": {"id": "x", "sources": [{"type": "file", "source": "x.wav"}]}}  # fmt: skip
    row = {"audio_filepath": "x.wav", "duration": 0.5, "text": "one", "id": "a", "speaker": "b", "offset": 0.0,
           "words": [{"word": "one", "start": 0.1, "end": 0.2}]}  # fmt: skip
    nlp = "transcripts/nlp_references/x.nlp"
    named = {"file_name": "x.wav", "text": "one", "speaker": "a"}
    for kind, name, content, given in (
        ("nemo", "manifest.jsonl", json.dumps(row) + "\n", "manifest.jsonl"),
        ("lhotse", "cuts.jsonl", json.dumps(cut) + "\n", "cuts.jsonl"),
        ("audiofolder", "metadata.csv", 'file_name,text,speaker\nx.wav,"one, two",a\n', ""),
        ("audiofolder", "metadata.jsonl", json.dumps(named) + "\n", ""),
        ("stm", "stm/x.stm", "x 1 a 0.0 0.4 <o,f0,male> one two\n", ""),
        ("kaldi", "text", "x one two\n", ""),
        ("kaldi", "wav.scp", "x x.wav\n", ""),
        ("kaldi", "segments", "x x 0.0 0.4\n", ""),
        ("librispeech", "1/2/1-2.trans.txt", "1-2-0001 ONE TWO\n", ""),
        ("earnings", nlp, "token|speaker|ts|endTs|punctuation\none|1|0.1|0.2|.\n", ""),
        ("folder", "x.txt", "one two three\n", ""),
    ):
        file = data / name
        file.write_text(content)
        yield Parser(f"{kind} {file.name}", file, content.encode(), lambda _, k=kind, p=data / given: open_as(k, p, []))


def _runs(folder: Path) -> Iterator[Parser]:
    run = folder / "run"
    write_run(run, planted_run())
    listing, calls = run / "run.json", run / "calls.jsonl"
    yield Parser("run.json", listing, listing.read_bytes(), lambda _: read_run(run))
    yield Parser("run.json, scored", listing, listing.read_bytes(), lambda _: score(read_run(run)), every=10)
    yield Parser("calls.jsonl", calls, calls.read_bytes(), lambda _: read_run(run))

    whole = listing.read_text()

    def sealed(_: Path) -> object:
        """Read calls that were changed by somebody who also changed their digest."""
        digest, held = hashlib.sha256(calls.read_bytes()).hexdigest(), json.loads(whole)
        try:
            listing.write_text(json.dumps(held | {"calls_sha256": digest}))
            return score(read_run(run))
        finally:
            listing.write_text(whole)

    yield Parser("calls.jsonl, scored", calls, calls.read_bytes(), sealed, every=5)
    for results in (spans(), comparison(), evaluation()[0]):
        name = "comparison" if results.comparison else "evaluation" if results.evaluation else "spans"
        place = folder / name
        write_results(place, results)
        file = place / "results.json"
        yield Parser(f"results of {name}", file, file.read_bytes(), lambda _, p=place: read_results(p))
        yield Parser(
            f"results of {name}, drawn", file, file.read_bytes(), lambda _, p=place: render(read_results(p), None), 20
        )


def _settings(folder: Path) -> Iterator[Parser]:
    for device in ("l4", "groq-v1"):
        yield Parser(f"device {device}", folder / "x.toml", (FOLDER / f"{device}.toml").read_bytes(), read_device)
    rules = b'base = "whisper"\nremove = ["um", "uh"]\nlowercase = true\n[replace]\n"colour" = "color"\n'
    yield Parser("rules", folder / "rules.toml", rules, rules_from)
    settings = b'model = "tiny.en"\nloads = ["8x1"]\nwindows_s = [2, 5]\nbackends = ["l4"]\nseed = 3\n'
    yield Parser("experiment", folder / "e.toml", settings, Experiment.from_toml)
    sweep = b'model = "tiny.en"\nplay = "grid"\nseed = 3\n[grid]\nwindows_s = [[2], [5]]\nstrategy = ["sliding"]\n'
    yield Parser("sweep", folder / "s.toml", sweep, Sweep.from_toml)


def _models(folder: Path) -> Iterator[Parser]:
    model = tiny_whisper(n_text_ctx=64)
    held = io.BytesIO()
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, held)
    yield Parser("checkpoint", folder / "x.pt", held.getvalue(), read_checkpoint)
    variables = b"\x06\0\0\0\x0c\0WhisperSpec\0\x03\0\0\0\x01\0\0\0\x02\0a\0\x01\x02\0\0\0\0\x08\0\0\0" + bytes(12)
    yield Parser("model.bin", folder / "model.bin", variables, read_variables)


def _records(folder: Path) -> Iterator[Parser]:
    profile = written(planted_profile(), folder / "profile.json")
    yield Parser("profile of a machine", profile, profile.read_bytes(), read_profile)
    curve = folder / "curve.json"
    write_curve(curve, series())
    yield Parser("curve", curve, curve.read_bytes(), read_curve)
    yield Parser("curve, drawn", curve, curve.read_bytes(), lambda path: write_curve_page(read_curve(path)), every=20)
    row = write_entry(folder / "rows", make_entry(one_row(folder), by="someone"))
    yield Parser("row of the leaderboard", row, row.read_bytes(), lambda path: write_page(read_entries(path.parent)))


def _answers(folder: Path) -> Iterator[Parser]:
    """What other programs wrote or say."""
    event = {"recording": "a", "at_s": 0.5, "text": "one two", "final": True, "heard_s": 0.5, "system": "s"}
    streamed = Streamed(
        0, "a", 0.0, (Send(0.5, 0.5, 0.5),), (Said(0.9, "final", "0", "one"),), 1.0, Failed("closed", "x", 1.0)
    )
    write_streams(folder, 1, [streamed])
    put_pipecat(folder / "results.db", {"sample_id": "a", "transcription": "one", "ttfb_seconds": 0.25,
                                        "audio_duration_seconds": 2.0})  # fmt: skip
    kinds: dict[str, bytes] = {
        "simuleval": (WRITTEN / "instances.log").read_bytes(),
        "simuleval-summed": (WRITTEN / "instances.log").read_bytes(),
        "ctm": b"b 1 0.0 0.3 one 0.9 1.0\na 1 0.0 0.3 two NA 0.5\n",
        "events": json.dumps(event).encode() + b"\n",
        "measure": (folder / "streams-1.jsonl").read_bytes(),
    }
    for kind, content in kinds.items():
        yield Parser(f"import {kind}", folder / f"{kind}.jsonl", content, FORMATS[kind][0])
    for name in ("bench.json", "states.jsonl", "differences.jsonl"):
        read = FORMATS["whisperlivekit"][0]
        yield Parser(f"import {name}", folder / f"wlk-{name}", (WRITTEN / name).read_bytes(), read)
    for name, content in (("db", (folder / "results.db").read_bytes()), ("json", json.dumps(EXPORT).encode())):
        yield Parser(f"import pipecat.{name}", folder / f"pipecat.{name}", content, FORMATS["pipecat"][0])
    message = folder / "message"
    snapshot = {"type": "state", "status": "active", "lines": [{"text": "one", "speaker": 1}, {"text": "two"}],
                "buffer_transcription": "three", "error": ""}  # fmt: skip
    said = {"type": "conversation.item.input_audio_transcription.completed", "item_id": "a", "transcript": "one"}
    for name, session, content in (
        ("whisperlivekit", WhisperLiveKit, snapshot),
        ("realtime", lambda: Realtime("m"), said),
    ):
        whole = json.dumps(content).encode()
        yield Parser(
            f"said by {name}", message, whole, lambda path, s=session: s().read(path.read_bytes()),
            refuses=(StreamError,),
        )  # fmt: skip


def _typed(path: Path) -> Iterator[Parser]:
    kinds: tuple[tuple[str, Callable[[str], Any], str], ...] = (
        ("a backend", get_backend, "h100-ct2-int8"),
        ("a hybrid", get_backend, "h100+groq-v1x16-fp16@operator"),
        ("a load", Load.parse, "16x0.25"),
        ("a price", read_price, "groq-v1=0.4..2"),
        ("a decoder", read_decoder, "diffusion:steps=8,block=32,first=0.5"),
        ("a tier", TierShare.parse, "premium=0.1:0.5:0.03"),
        ("an endpoint", Address.parse, "openai:https://example.com:8000/v1#whisper-1"),
        ("a target", Target.parse, "wlk:ws://127.0.0.1:8000/asr"),
    )
    for name, parse, content in kinds:
        yield Parser(name, path, content.encode(), lambda file, p=parse: p(file.read_bytes().decode("latin-1")))
