"""Every parser fed damaged copies of what it reads: it may only return, or raise `InputError`.

`python -m tests.strangers.fuzz SECONDS [SEED]` prints how many inputs each parser met, and the input and traceback of
the first that raised anything else. Damage is done by a seeded generator, so that a finding can be had again.
"""

import io
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from earspan.backends.devices.files import FOLDER, read_device
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.benchmarks.experiment.experiment import Experiment, Load
from earspan.benchmarks.experiment.records import read_run, write_run
from earspan.datasets.audio import read_audio
from earspan.datasets.formats import open_as
from earspan.speech.metrics.normalise import rules_from
from earspan.speech.weights.checkpoint import read_checkpoint
from earspan.speech.weights.ct2_file import read_variables

from ..benchmarks.results.planted import planted_run
from ..tiny import tiny_whisper
from .audio import SPOKEN

Parse = Callable[[Path], object]
_TOKENS = (b"\0", b"\xff", b"{", b"}", b"[", b'"', b",", b":", b"-", b"1e400", b"NaN", b"null", b"\n", b"\\ud800",
           b"../", b"/dev/zero", b"9" * 400, b"true", b"=", b"\x1b[2J")  # fmt: skip


def damage(content: bytes, rng: random.Random) -> bytes:
    """Return a copy with one to four bytes changed, pieces cut, doubled, moved, or tokens put in."""
    held = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randrange(len(held) + 1), min(len(held), rng.randrange(len(held) + 1))))
        to = min(to, at + rng.choice((1, 4, 64, 1 << 20)))
        match rng.randrange(6):
            case 0 if held:
                held[rng.randrange(len(held))] = rng.randrange(256)
            case 1:
                del held[at:to]
            case 2:
                held[at:at] = held[at:to][: 1 << 16]
            case 3:
                held[at:at] = rng.choice(_TOKENS)
            case 4:
                del held[at:]
            case _:
                held[at:to] = rng.choice(_TOKENS)
    return bytes(held)


def _sounds() -> dict[str, bytes]:
    made = {}
    for name, kind in {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III", "aiff": "PCM_24",
                       "w64": "FLOAT", "au": "ULAW"}.items():  # fmt: skip
        held = io.BytesIO()
        soundfile.write(held, np.tile(SPOKEN, 2), 16_000, format=name.upper(), subtype=kind)
        made[name] = held.getvalue()
    return made


def parsers(folder: Path) -> list[tuple[str, Path, bytes, Parse]]:
    """Return every parser: its name, the file that is damaged, what is in it when it is whole, and how it is read."""
    found: list[tuple[str, Path, bytes, Parse]] = []
    for ending, content in _sounds().items():
        found.append((f"audio {ending}", folder / f"x.{ending}", content, read_audio))
    data = folder / "data"
    for place in ("", "stm", "1/2", "media", "transcripts/nlp_references"):
        (data / place).mkdir(parents=True, exist_ok=True)
    for name in ("x.wav", "1/2/1-2-0001.wav", "media/x.wav"):
        soundfile.write(data / name, SPOKEN, 16_000)
    cut = {"id": "c", "start": 0, "duration": 0.5, "supervisions": [{"start": 0, "text": "one", "speaker": "a"}],
           "recording": {"id": "x", "sources": [{"type": "file", "source": "x.wav"}]}}  # fmt: skip
    row = {"audio_filepath": "x.wav", "duration": 0.5, "text": "one", "id": "a", "speaker": "b",
           "words": [{"word": "one", "start": 0.1, "end": 0.2}]}  # fmt: skip
    lists: list[tuple[str, str, bytes, str | None]] = [
        ("nemo", "manifest.jsonl", json.dumps(row).encode() + b"\n", "manifest.jsonl"),
        ("lhotse", "cuts.jsonl", json.dumps(cut).encode() + b"\n", "cuts.jsonl"),
        ("audiofolder", "metadata.csv", b'file_name,text,speaker\nx.wav,"one, two",a\n', None),
        ("stm", "stm/x.stm", b"x 1 a 0.0 0.4 <o,f0,male> one two\n", None),
        ("kaldi", "text", b"x one two\n", None),
        ("kaldi", "wav.scp", b"x x.wav\n", None),
        ("kaldi", "segments", b"x x 0.0 0.4\n", None),
        ("librispeech", "1/2/1-2.trans.txt", b"1-2-0001 ONE TWO\n", None),
        (
            "earnings",
            "transcripts/nlp_references/x.nlp",
            b"token|speaker|ts|endTs|punctuation\none|1|0.1|0.2|.\n",
            None,
        ),
        ("folder", "x.txt", b"one two three\n", None),
    ]
    for kind, name, content, path in lists:
        (data / name).write_bytes(content)
        found.append(
            (f"{kind} {name}", data / name, content, lambda _, k=kind, p=data / (path or ""): open_as(k, p, []))
        )
    write_run(folder / "run", planted_run())
    for name in ("run.json", "calls.jsonl"):
        file = folder / "run" / name
        found.append((name, file, file.read_bytes(), lambda _: read_run(folder / "run")))
    for device in ("l4", "groq-v1"):
        found.append(("device", folder / "x.toml", (FOLDER / f"{device}.toml").read_bytes(), read_device))
    rules = b'base = "whisper"\nremove = ["um", "uh"]\nlowercase = true\n[replace]\n"colour" = "color"\n'
    found.append(("rules", folder / "rules.toml", rules, rules_from))
    settings = b'model = "tiny.en"\nloads = ["8x1"]\nwindows_s = [2, 5]\nbackends = ["l4"]\nseed = 3\n'
    found.append(("experiment", folder / "e.toml", settings, Experiment.from_toml))
    model = tiny_whisper(n_text_ctx=64)
    from dataclasses import asdict

    held = io.BytesIO()
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, held)
    found.append(("checkpoint", folder / "x.pt", held.getvalue(), read_checkpoint))
    variables = b"\x06\0\0\0\x0c\0WhisperSpec\0\x03\0\0\0\x01\0\0\0\x02\0a\0\x01\x02\0\0\0\0\x08\0\0\0" + bytes(12)
    found.append(("model.bin", folder / "model.bin", variables, read_variables))
    for name, content, parse in (
        ("backend", b"h100-ct2-int8", get_backend),
        ("backend", b"h100+groq-v1x16-fp16@operator", get_backend),
        ("load", b"16x0.25", Load.parse),
    ):
        found.append((name, folder / "typed", content, lambda path, p=parse: p(path.read_bytes().decode("latin-1"))))
    return found


def run(seconds: float, seed: int) -> tuple[Counter[str], str]:
    """Return how many inputs each parser met in so many seconds, and what went wrong first, or nothing."""
    rng, met = random.Random(seed), Counter[str]()
    until_s = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        all_of_them = parsers(Path(folder))
        while time.monotonic() < until_s:
            for name, path, content, parse in all_of_them:
                damaged = damage(content, rng)
                path.write_bytes(damaged)
                began_s = time.monotonic()
                try:
                    parse(path)
                except InputError as error:
                    if "\n" in str(error):
                        return met, f"{name}: more than one line: {error}\n{damaged[:400]!r}"
                except Exception:  # noqa: BLE001  what is looked for
                    return met, f"{name}: {traceback.format_exc()}\n{damaged[:400]!r}"
                if (took_s := time.monotonic() - began_s) > 10:
                    return met, f"{name}: {took_s:.0f} s\n{damaged[:400]!r}"
                path.write_bytes(content)
                met[name] += 1
    return met, ""


if __name__ == "__main__":
    counts, problem = run(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print("\n".join(f"{name:36} {count:>9,}" for name, count in counts.items()))
    print(problem)
    sys.exit(1 if problem else 0)
