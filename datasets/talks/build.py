"""Make the bundled data set `talks` again: python -m earspan.datasets.talks.build

Reads the texts beside this file, speaks each in one voice sentence by sentence, puts the noisy half into rooms and
crowds, and writes Ogg/Opus and `manifest.jsonl`. Needs eSpeak NG and Flite; using the data set needs neither.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import correlate

from ..acoustics import AUDIBLE_HZ, add_at_snr, coloured_noise, reverberate, room_response
from ..audio import SAMPLE_RATE, read_audio
from ..synthesis import Voice, speak
from .babble import TALKERS, babble

FOLDER = Path(__file__).parent
SEED = 7
PEAK = 0.5
_PINK = 0.5  # slope of the amplitude


@dataclass(frozen=True, slots=True)
class Room:
    """A room, in which a fan hums: reverberation, and pink noise `snr_db` below the reverberant speech."""

    rt60_s: float
    direct_to_reverberant_db: float
    snr_db: float = 20.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """Others who speak nearby: babble of `talkers` voices, `snr_db` below the speech."""

    talkers: int
    snr_db: float = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a text becomes a recording. Without `surroundings` it stays clean."""

    voice: Voice
    surroundings: Room | Crowd | None = None


# Each voice has a clean and a noisy recording; those of texts from a small and from a wide vocabulary are mixed in both
# halves. f4, m5 and m6 are kept out of pocket's training (speech/pocket/corpus.py).
PLANS = {
    "machines-that-listen": Plan(Voice("flite:rms")),
    "the-storm": Plan(Voice("espeak:en-us+f2")),
    "the-night-train": Plan(Voice("espeak:en-us+m3", rate=1.05)),
    "a-room-for-two": Plan(Voice("espeak:en-us+f4")),
    "how-long-is-a-second": Plan(Voice("espeak:en-us+m6")),
    "the-museum-of-mistakes": Plan(Voice("flite:slt", rate=0.98)),
    "the-carpenters-violin": Plan(Voice("espeak:en-us+m1", rate=0.97)),
    "the-missing-princess": Plan(Voice("espeak:en-us+m5", rate=1.04)),
    "the-lost-letter": Plan(Voice("flite:slt"), Room(rt60_s=0.3, direct_to_reverberant_db=6.0)),
    "the-sea-and-the-weather": Plan(Voice("espeak:en-us+m3"), Room(rt60_s=0.6, direct_to_reverberant_db=4.0)),
    "news-at-nine": Plan(Voice("espeak:en-us+f2", rate=1.06), Room(rt60_s=0.4, direct_to_reverberant_db=5.0)),
    "a-sailors-tale": Plan(Voice("espeak:en-us+m6", rate=0.96), Room(rt60_s=0.5, direct_to_reverberant_db=3.0)),
    "market-day": Plan(Voice("espeak:en-us+m5"), Crowd(talkers=6)),
    "a-walk-in-the-old-city": Plan(Voice("espeak:en-us+m1"), Crowd(talkers=4)),
    "the-county-fair": Plan(Voice("flite:rms", rate=1.03), Crowd(talkers=6)),
    "the-wrong-suitcase": Plan(Voice("espeak:en-us+f4", rate=1.02), Crowd(talkers=5)),
}


def build(folder: Path = FOLDER) -> None:
    """Write every recording and the manifest into `folder`."""
    lines = []
    for name, plan in PLANS.items():
        line = record(name, plan, folder)
        lines.append(json.dumps(line))
        print(f"{name}: {line['duration']:.0f} s, {len(line['words'])} words, {plan.voice.name}, {line['condition']}")
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def record(name: str, plan: Plan, folder: Path) -> dict[str, Any]:
    """Write one recording into `folder`, return its line of the manifest.

    Raises `RuntimeError` if coding shifts the sound, as the word times would be wrong then.
    """
    rng = random.Random(f"{SEED} {name}")
    sentences = (FOLDER / "texts" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    audio, words = _speak_all(sentences, plan.voice, rng)
    audio = surrounded(audio, plan.surroundings, rng)
    audio *= np.float32(PEAK / np.abs(audio).max())
    file = folder / f"{name}.ogg"
    soundfile.write(file, audio, SAMPLE_RATE, format="OGG", subtype="OPUS")
    if shift := lag(read_audio(file), audio):
        raise RuntimeError(f"{file.name} is decoded {shift} samples late")
    return {
        "audio_filepath": file.name,
        "duration": round(len(audio) / SAMPLE_RATE, 4),
        "text": " ".join(sentences),
        "id": name,
        "speaker": plan.voice.name,
        **described(plan.surroundings),
        "words": words,
    }


def surrounded(audio: np.ndarray, surroundings: Room | Crowd | None, rng: random.Random) -> np.ndarray:
    """`audio`, float32 at 16 kHz, shape = (samples,), as a microphone hears it there. What was spoken stays in place.

    An SNR counts the whole recording, pauses included: power of the speech, with its reverberation, over the noise.
    """
    if surroundings is None:
        return audio
    noises = np.random.default_rng(rng.getrandbits(64))
    if isinstance(surroundings, Room):
        response = room_response(noises, surroundings.rt60_s, surroundings.direct_to_reverberant_db)
        audio, noise = reverberate(audio, response), coloured_noise(noises, len(audio), _PINK, AUDIBLE_HZ)
    else:
        noise = babble(rng, len(audio), rng.sample(TALKERS, surroundings.talkers))
    return add_at_snr(audio, noise, surroundings.snr_db)


def described(surroundings: Room | Crowd | None) -> dict[str, Any]:
    """What the manifest says of a recording's half and of what was done to it."""
    match surroundings:
        case Room(rt60_s, direct_to_reverberant_db, snr_db):
            room = {"rt60_s": rt60_s, "direct_to_reverberant_db": direct_to_reverberant_db}
            return {"condition": "noisy", "noise": "pink", "snr_db": snr_db, **room}
        case Crowd(talkers, snr_db):
            return {"condition": "noisy", "noise": "babble", "snr_db": snr_db, "talkers": talkers}
        case None:
            return {"condition": "clean"}


def lag(heard: np.ndarray, sent: np.ndarray) -> int:
    """By how many samples `heard`, shape = (samples,), comes later than `sent`: where they correlate best."""
    return int(np.argmax(correlate(heard, sent, method="fft"))) - (len(sent) - 1)


def _speak_all(sentences: list[str], voice: Voice, rng: random.Random) -> tuple[np.ndarray, list[dict]]:
    pieces, words, at_s = [np.zeros(SAMPLE_RATE // 2, np.float32)], [], 0.5
    for sentence in sentences:
        spoken = speak(sentence, voice)
        words += [
            {"word": w.text, "start": round(at_s + w.start_s, 3), "end": round(at_s + w.end_s, 3)} for w in spoken.words
        ]
        pause = np.zeros(int(rng.uniform(0.2, 0.7) * SAMPLE_RATE), np.float32)
        pieces += [spoken.audio, pause]
        at_s += (len(spoken.audio) + len(pause)) / SAMPLE_RATE
    audio = np.concatenate(pieces)
    # Digital silence is something no microphone hears, and some recognisers stumble over it.
    return audio + 1e-4 * np.random.default_rng(SEED).standard_normal(len(audio), dtype=np.float32), words


if __name__ == "__main__":
    build()
