"""Make the bundled data set `talks` again: python -m earspan.datasets.talks.build

Reads the texts beside this file, speaks each in one voice sentence by sentence, and writes Ogg/Opus and
`manifest.jsonl`. Needs eSpeak NG and Flite; using the data set needs neither.
"""

import json
import random
from pathlib import Path

import numpy as np
import soundfile

from ..audio import SAMPLE_RATE
from ..synthesis import Voice, speak

FOLDER = Path(__file__).parent
SEED = 7
PEAK = 0.5

# The three marked "unseen" are kept out of pocket's training (speech/pocket/corpus.py).
VOICES = {
    "machines-that-listen": Voice("flite:rms"),
    "the-storm": Voice("espeak:en-us+f2"),
    "the-lost-letter": Voice("flite:slt"),
    "a-room-for-two": Voice("espeak:en-us+f4"),  # unseen
    "the-sea-and-the-weather": Voice("espeak:en-us+m3"),
    "a-walk-in-the-old-city": Voice("espeak:en-us+m1"),
    "how-long-is-a-second": Voice("espeak:en-us+m6"),  # unseen
    "the-night-train": Voice("espeak:en-us+m7"),
    "market-day": Voice("espeak:en-us+m5"),  # unseen
}


def build(folder: Path = FOLDER) -> None:
    """Write every recording and the manifest into `folder`."""
    lines = []
    for name, voice in VOICES.items():
        sentences = (FOLDER / "texts" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        audio, words = _speak_all(sentences, voice, random.Random(f"{SEED} {name}"))
        soundfile.write(folder / f"{name}.ogg", audio, SAMPLE_RATE, format="OGG", subtype="OPUS")
        line = {
            "audio_filepath": f"{name}.ogg",
            "duration": round(len(audio) / SAMPLE_RATE, 4),
            "text": " ".join(sentences),
            "id": name,
            "speaker": voice.name,
            "words": words,
        }
        lines.append(json.dumps(line))
        print(f"{name}: {line['duration']:.0f} s, {len(words)} words, {voice.name}")
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


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
    audio += 1e-4 * np.random.default_rng(SEED).standard_normal(len(audio), dtype=np.float32)
    return audio * np.float32(PEAK / np.abs(audio).max()), words


if __name__ == "__main__":
    build()
