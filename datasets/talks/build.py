"""Make the bundled data set `talks` again: python -m earspan.datasets.talks.build

Reads the texts beside this file, speaks each in a voice of its own, puts half of them into noisy rooms, and writes
Ogg/Opus and `manifest.jsonl`. Needs `pip install 'earspan[talks]'` and npm; using the data set needs neither.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import correlate

from ..audio import SAMPLE_RATE, read_audio
from ..recording import Word
from .acoustics import AUDIBLE_HZ, add_at_snr, coloured_noise, reverberate, room_response
from .babble import TALKERS, Speak, babble
from .kokoro import Kokoro, Utterance, fetch

FOLDER = Path(__file__).parent
SEED = 7
PEAK = 0.5
PAUSE_S = (0.3, 0.8)  # from the last word of a line to the first of the next
_LEAD_S = 0.5
_SLOPES = {"fan": 0.5, "street": 1.0}  # of the amplitude: pink, brown


@dataclass(frozen=True, slots=True)
class Room:
    """A room and what is heard in it beside the speaker.

    noise: `fan` (pink noise), `street` (brown noise) or `babble` (`talkers` other voices in the same room).
    snr_db: power of the speech with its reverberation over that of the noise, whole recording.
    """

    noise: str
    snr_db: float
    rt60_s: float
    direct_to_reverberant_db: float
    talkers: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a text becomes a recording. Without a `room` it stays clean."""

    voice: str
    room: Room | None = None


# Two of each SNR, one of them with babble; smaller and larger rooms fall to both kinds of noise.
PLANS = {
    "the-museum-of-mistakes": Plan("bm_george"),
    "the-storm": Plan("af_heart"),
    "the-missing-princess": Plan("am_michael"),
    "the-friday-release": Plan("af_bella"),
    "third-quarter-results": Plan("am_eric"),
    "a-soup-for-winter": Plan("bf_emma"),
    "a-toast-to-the-bride": Plan("bm_fable"),
    "the-carpenters-violin": Plan("bf_alice"),
    "news-at-nine": Plan("bf_isabella", Room("fan", 12.5, 0.3, 0.0)),
    "how-long-is-a-second": Plan("am_puck", Room("fan", 7.5, 0.8, 0.0)),
    "the-pump-that-sang": Plan("bm_lewis", Room("street", 10.0, 0.6, 0.0)),
    "a-sailors-tale": Plan("am_fenrir", Room("street", 5.0, 0.4, 0.0)),
    "the-beekeeper-of-the-ninth-floor": Plan("af_sarah", Room("babble", 12.5, 0.7, 0.0, talkers=6)),
    "night-shift-on-ward-six": Plan("af_nova", Room("babble", 10.0, 0.4, 0.0, talkers=5)),
    "an-order-by-telephone": Plan("af_kore", Room("babble", 7.5, 0.5, 0.0, talkers=4)),
    "extra-time": Plan("bm_daniel", Room("babble", 5.0, 0.3, 0.0, talkers=6)),
}


def build(speak: Speak, folder: Path = FOLDER) -> None:
    """Write every recording and the manifest into `folder`. `speak` gives the sound of a text in a voice."""
    lines = []
    for name, plan in PLANS.items():
        line = record(speak, name, plan, folder)
        lines.append(json.dumps(line))
        print(f"{name}: {line['duration']:.0f} s, {len(line['words'])} words, {plan.voice}, {line['condition']}")
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def record(speak: Speak, name: str, plan: Plan, folder: Path) -> dict[str, Any]:
    """Write one recording into `folder`, return its line of the manifest.

    Raises `RuntimeError` if coding shifts the sound, as the word times would be wrong then.
    """
    rng = random.Random(f"{SEED} {name}")
    lines = (FOLDER / "texts" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    dry = join([speak(line, plan.voice) for line in lines], rng)
    audio = add_surroundings(dry.audio, plan.room, speak, rng)
    audio *= np.float32(PEAK / np.abs(audio).max())
    file = folder / f"{name}.ogg"
    soundfile.write(file, audio, SAMPLE_RATE, format="OGG", subtype="OPUS")
    if shift := lag(read_audio(file), audio):
        raise RuntimeError(f"{file.name} is decoded {shift} samples late")
    return {
        "audio_filepath": file.name,
        "duration": round(len(audio) / SAMPLE_RATE, 4),
        "text": " ".join(lines),
        "id": name,
        "speaker": plan.voice,
        **describe(plan.room),
        "words": [{"word": w.text, "start": round(w.start_s, 3), "end": round(w.end_s, 3)} for w in dry.words],
    }


def join(utterances: list[Utterance], rng: random.Random) -> Utterance:
    """Return utterances one after the other, with pauses of `PAUSE_S` from word to word."""
    pieces, words, at = [np.zeros(round(_LEAD_S * SAMPLE_RATE), np.float32)], list[Word](), round(_LEAD_S * SAMPLE_RATE)
    for spoken in utterances:
        pause_s = rng.uniform(*PAUSE_S)
        if words:  # an utterance has some silence of its own at both ends
            silence = at / SAMPLE_RATE - words[-1].end_s + spoken.words[0].start_s
            pieces.append(np.zeros(max(round((pause_s - silence) * SAMPLE_RATE), 0), np.float32))
            at += len(pieces[-1])
        words += [Word(w.text, at / SAMPLE_RATE + w.start_s, at / SAMPLE_RATE + w.end_s) for w in spoken.words]
        pieces.append(spoken.audio)
        at += len(spoken.audio)
    audio = np.concatenate([*pieces, pieces[0]])
    # Digital silence is something no microphone hears, and some recognisers stumble over it.
    noise = np.random.default_rng(SEED).standard_normal(len(audio), dtype=np.float32)
    return Utterance(audio + np.float32(1e-4) * noise, tuple(words))


def add_surroundings(audio: np.ndarray, room: Room | None, speak: Speak, rng: random.Random) -> np.ndarray:
    """Return `audio`, float32 at 16 kHz, shape = (samples,), as a microphone hears it there.

    Speech stays where it was.
    """
    if room is None:
        return audio
    noises = np.random.default_rng(rng.getrandbits(64))
    response, elsewhere = (room_response(noises, room.rt60_s, room.direct_to_reverberant_db) for _ in range(2))
    if room.noise == "babble":
        noise = reverberate(babble(speak, rng, len(audio), TALKERS[: room.talkers]), elsewhere)
    else:
        noise = coloured_noise(noises, len(audio), _SLOPES[room.noise], AUDIBLE_HZ)
    return add_at_snr(reverberate(audio, response), noise, room.snr_db)


def describe(room: Room | None) -> dict[str, Any]:
    """Return what the manifest says of a recording's half and of what was done to it."""
    if room is None:
        return {"condition": "clean"}
    said = {"condition": "noisy", "noise": room.noise, "snr_db": room.snr_db, "rt60_s": room.rt60_s}
    said["direct_to_reverberant_db"] = room.direct_to_reverberant_db
    return said | ({"talkers": room.talkers} if room.talkers else {})


def lag(heard: np.ndarray, sent: np.ndarray) -> int:
    """Return by how many samples `heard`, shape = (samples,), comes later than `sent`: where they correlate best."""
    return int(np.argmax(correlate(heard, sent, method="fft"))) - (len(sent) - 1)


def main() -> None:
    """Fetch synthesiser and voices, and make every recording and the manifest again, in place."""
    model = Path("build/kokoro")
    fetch(model)
    build(Kokoro(model).speak)


if __name__ == "__main__":
    main()
