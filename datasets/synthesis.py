"""Synthetic speech with word times, offline, through two synthesisers' C libraries: eSpeak NG and Flite.

Used by the recipes that make `talks` and train `pocket`; nothing else needs the libraries.
Debian: `apt-get install espeak-ng flite`.
"""

import ctypes
import re
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_float, c_int, c_short, c_uint, c_void_p
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..backends.errors import InputError
from .audio import SAMPLE_RATE, part_of_torchaudio
from .recording import Word


@dataclass(frozen=True, slots=True)
class Voice:
    """One way of speaking. `name` is `espeak:<voice>+<variant>` or `flite:<voice>`."""

    name: str
    rate: float = 1.0  # speaking rate relative to the voice's own
    pitch: int = 50  # eSpeak's 0-99 scale; Flite's voices keep their own pitch
    size: float = 1.0  # resampling factor: > 1 raises pitch and formants together, as a smaller head does


@dataclass(frozen=True, slots=True)
class Utterance:
    """Spoken text: `audio` float32 at 16 kHz, shape = (samples,), and one `Word` per whitespace-separated token."""

    audio: np.ndarray
    words: tuple[Word, ...]


def speak(text: str, voice: Voice) -> Utterance:
    """Speak one sentence. Raises `InputError` for an unknown voice or a missing synthesiser library."""
    engine, _, name = voice.name.partition(":")
    if engine not in _ENGINES:
        raise InputError(f"unknown synthesiser {voice.name!r}; expected espeak:NAME or flite:NAME")
    audio, rate_hz, words = _ENGINES[engine](text, name, voice)
    audio = _resample(audio, rate_hz * voice.size)
    limit_s = len(audio) / SAMPLE_RATE
    scale = 1 / voice.size
    timed = tuple(Word(w, min(a * scale, limit_s), min(b * scale, limit_s)) for w, a, b in words)
    return Utterance(audio, timed)


def _resample(audio: np.ndarray, rate_hz: float) -> np.ndarray:
    import torch

    # A rate that shares a large factor with 16 kHz keeps the polyphase filter bank small.
    nearest_hz = round(rate_hz / 200) * 200
    resample = part_of_torchaudio("functional").resample
    return resample(torch.from_numpy(audio), nearest_hz, SAMPLE_RATE).numpy()


def _library(*names: str, package: str) -> ctypes.CDLL:
    for name in names:
        try:
            return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
    raise InputError(f"{names[0]} is not installed; on Debian type: apt-get install {package}")


def _voiced_end_s(audio: np.ndarray, rate_hz: int) -> float:
    """The time of the last sample louder than 1 % of full scale: where the last word ends."""
    loud = np.flatnonzero(np.abs(audio) > 0.01)
    return (int(loud[-1]) + 1) / rate_hz if len(loud) else len(audio) / rate_hz


# ---- eSpeak NG: espeak-ng/speak_lib.h -----------------------------------------------------------------------


class _EspeakEvent(Structure):
    _fields_ = (
        ("type", c_int),
        ("unique_identifier", c_uint),
        ("text_position", c_int),  # in characters, from 1
        ("length", c_int),
        ("audio_position", c_int),  # ms
        ("sample", c_int),
        ("user_data", c_void_p),
        ("id", c_void_p),
    )


_ESPEAK_CALLBACK = CFUNCTYPE(c_int, POINTER(c_short), c_int, POINTER(_EspeakEvent))
_ESPEAK_SYNCHRONOUS, _ESPEAK_UTF8, _ESPEAK_BY_CHARACTER = 2, 1, 1
_ESPEAK_RATE, _ESPEAK_PITCH = 1, 3
_ESPEAK_EVENT_WORD, _ESPEAK_LIST_TERMINATED = 1, 0
_ESPEAK_WORDS_PER_MINUTE = 165


@cache
def _espeak():
    lib = _library("libespeak-ng.so.1", package="espeak-ng")
    rate_hz = lib.espeak_Initialize(_ESPEAK_SYNCHRONOUS, 500, None, 0)
    if rate_hz <= 0:
        raise InputError("espeak-ng's voice data is not installed; on Debian type: apt-get install espeak-ng-data")
    pieces: list[np.ndarray] = []
    starts: list[tuple[int, float]] = []  # (position of the word's first character, start in seconds)

    def receive(samples, count, events) -> int:
        if count:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 32768)
        i = 0
        while events[i].type != _ESPEAK_LIST_TERMINATED:
            if events[i].type == _ESPEAK_EVENT_WORD:
                starts.append((events[i].text_position - 1, events[i].audio_position / 1000))
            i += 1
        return 0

    callback = _ESPEAK_CALLBACK(receive)
    lib.espeak_SetSynthCallback(callback)
    return lib, rate_hz, pieces, starts, callback  # the callback must outlive this function


def _espeak_speak(text: str, name: str, voice: Voice):
    lib, rate_hz, pieces, starts, _ = _espeak()
    if lib.espeak_SetVoiceByName(name.encode()) != 0:
        raise InputError(f"espeak-ng has no voice {name!r}; type: espeak-ng --voices=en")
    lib.espeak_SetParameter(_ESPEAK_RATE, round(_ESPEAK_WORDS_PER_MINUTE * voice.rate), 0)
    lib.espeak_SetParameter(_ESPEAK_PITCH, voice.pitch, 0)
    pieces.clear()
    starts.clear()
    encoded = text.encode()
    lib.espeak_Synth(encoded, len(encoded) + 1, 0, _ESPEAK_BY_CHARACTER, 0, _ESPEAK_UTF8, None, None)
    audio = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return audio, rate_hz, _words_from_starts(text, starts, _voiced_end_s(audio, rate_hz))


def _words_from_starts(text: str, starts: list[tuple[int, float]], end_s: float) -> list[tuple[str, float, float]]:
    """Give each token of `text` its start and end. A word ends where the next begins.

    eSpeak speaks some pairs ("of the") as one word with one event: such tokens share its time by their length.
    """
    tokens = [(m.start(), m.group()) for m in re.finditer(r"\S+", text)]
    start_at = dict(reversed(starts))
    groups: list[tuple[float, list[str]]] = []
    for position, token in tokens:
        if position in start_at or not groups:
            groups.append((start_at.get(position, 0.0), [token]))
        else:
            groups[-1][1].append(token)
    words = []
    for i, (start_s, members) in enumerate(groups):
        stop_s = groups[i + 1][0] if i + 1 < len(groups) else max(end_s, start_s)
        characters = sum(map(len, members))
        at_s = start_s
        for token in members:
            next_s = at_s + (stop_s - start_s) * len(token) / characters
            words.append((token, at_s, next_s))
            at_s = next_s
    return words


# ---- Flite: flite.h, cst_wave.h, cst_voice.h, cst_item.h -----------------------------------------------------


class _FliteWave(Structure):
    _fields_ = (
        ("type", c_char_p),
        ("sample_rate", c_int),
        ("num_samples", c_int),
        ("num_channels", c_int),
        ("samples", POINTER(c_short)),
    )


class _FliteVoice(Structure):
    _fields_ = (("name", c_char_p), ("features", c_void_p))


_LAST_SEGMENT_END = b"R:Token.daughtern.R:SylStructure.daughtern.daughtern.R:Segment.end"
_FIRST_SEGMENT_START = b"R:Token.daughter1.R:SylStructure.daughter1.daughter1.R:Segment.p.end"


@cache
def _flite():
    _library("libflite.so.1", package="flite")
    _library("libflite_cmulex.so.1", package="flite")
    _library("libflite_usenglish.so.1", package="flite")
    lib = _library("libflite.so.1", package="flite")
    pointers = ("flite_synth_text", "utt_wave", "utt_relation", "relation_head", "item_next")
    for name in pointers:
        getattr(lib, name).restype = c_void_p
    lib.utt_wave.restype = POINTER(_FliteWave)
    lib.utt_wave.argtypes = lib.relation_head.argtypes = lib.item_next.argtypes = [c_void_p]
    lib.flite_synth_text.argtypes = [c_char_p, c_void_p]
    lib.utt_relation.argtypes = [c_void_p, c_char_p]
    lib.delete_utterance.argtypes = [c_void_p]
    lib.ffeature_float.restype = c_float
    lib.ffeature_float.argtypes = [c_void_p, c_char_p]
    lib.feat_set_float.argtypes = [c_void_p, c_char_p, c_float]
    lib.flite_init()
    return lib


@cache
def _flite_voice(name: str) -> int:
    _flite()
    lib = _library(f"libflite_cmu_us_{name}.so.1", package="flite")
    register = getattr(lib, f"register_cmu_us_{name}")
    register.restype = c_void_p
    register.argtypes = [c_char_p]
    return register(None)


def _flite_speak(text: str, name: str, voice: Voice):
    lib = _flite()
    pointer = _flite_voice(name)
    features = ctypes.cast(pointer, POINTER(_FliteVoice)).contents.features
    lib.feat_set_float(features, b"duration_stretch", 1 / voice.rate)
    utterance = lib.flite_synth_text(text.encode(), pointer)
    wave = lib.utt_wave(utterance).contents
    audio = np.ctypeslib.as_array(wave.samples, (wave.num_samples,)).astype(np.float32) / 32768
    words = []
    token = lib.relation_head(lib.utt_relation(utterance, b"Token"))
    for spoken in text.split():
        start_s = float(lib.ffeature_float(token, _FIRST_SEGMENT_START))
        words.append((spoken, start_s, float(lib.ffeature_float(token, _LAST_SEGMENT_END))))
        token = lib.item_next(token)
    rate_hz = wave.sample_rate
    lib.delete_utterance(utterance)
    return audio, rate_hz, words


_ENGINES = {"espeak": _espeak_speak, "flite": _flite_speak}
