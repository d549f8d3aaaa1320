"""Step 1 of the recipe, `synthesise`: shards of long synthetic recordings with word times, on disk.

A shard is `shard-0007.npy` (int16 samples at 16 kHz, shape = (samples,)) with `shard-0007.json` (its
recordings: where each begins, its voice, its words). Its texts and voices depend on its number and the seed
alone, so work can stop at any time and go on later. The samples are not the same to the bit: the synthesisers draw
their breath and flutter from a state of their own, which goes on from call to call.
"""

import argparse
import json
import os
import random
import signal
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch

from ...backends.errors import InputError
from ...datasets.audio import SAMPLE_RATE
from ...datasets.synthesis import Voice, speak
from .text import TextSource

SEED = 20261127
SHARD_S = 1200.0
RECORDING_S = 60.0

# Twelve plain voices of eSpeak NG have half of its time, the named ones that sound like people the other half.
PLAIN_VOICES = (
    *(f"en-us+{variant}" for variant in "m1 m2 m3 m4 m7 m8 f1 f2 f3 f5".split()),
    "en+m3",  # British
    "en-gb-x-rp+f2",  # Received Pronunciation
)
NAMED_VOICES = tuple(
    f"en-us+{name}"
    for name in (
        "Alex Alicia Andrea Andy Annie Gene Lee Michael adam anika antonio belinda benjamin "
        "david ed edward john linda max norbert paul pedro rob robert shelby steph travis"
    ).split()
)
# Flite's four voices are harder, each of its own kind, slt and rms most: they get more time than their number.
FLITE_VOICES = ("slt", "slt", "slt", "slt", "rms", "rms", "rms", "awb", "kal16")
FLITE_SHARE = 0.3  # it takes ten times as long as eSpeak NG
LIST_SHARE = 0.1  # sentences without grammar, which only the sound can settle
NATURAL_SHARE = 0.82
# Kept out of training, so that `talks` can hold voices that `pocket` never heard.
UNSEEN_VOICES = ("espeak:en-us+f4", "espeak:en-us+m5", "espeak:en-us+m6")


def draw_voice(rng: random.Random) -> Voice:
    """A training voice with its own rate, pitch and size."""
    flite = rng.random() < FLITE_SHARE
    espeak_voices = PLAIN_VOICES if rng.random() < 0.5 else NAMED_VOICES
    name = f"flite:{rng.choice(FLITE_VOICES)}" if flite else f"espeak:{rng.choice(espeak_voices)}"
    return Voice(name, rate=rng.uniform(0.9, 1.12), pitch=rng.randint(38, 62), size=rng.uniform(0.96, 1.05))


def make_recording(rng: random.Random, text: TextSource) -> tuple[np.ndarray, str, list[tuple[str, float, float]]]:
    """About a minute of one voice. Returns samples (int16), the voice's name, and (word, start_s, end_s)."""
    voice = draw_voice(rng)
    pieces, words, at_s = [], [], 0.0
    while at_s < RECORDING_S:
        spoken = speak(text.sentence(), voice)
        words += [(w.text, round(at_s + w.start_s, 3), round(at_s + w.end_s, 3)) for w in spoken.words]
        pause = np.zeros(int(rng.choice((0.0, 0.1, 0.2, 0.4, 0.8)) * rng.random() * 2 * SAMPLE_RATE), np.float32)
        pieces += [spoken.audio, pause]
        at_s += (len(spoken.audio) + len(pause)) / SAMPLE_RATE
    audio = np.concatenate(pieces)
    audio *= 0.5 / max(float(np.abs(audio).max()), 1e-3)
    return np.round(audio * 32767).astype(np.int16), voice.name, words


def record_of(folder: Path, number: int) -> Path:
    """Where a shard's recordings are listed; it is there once the shard is finished."""
    return folder / f"shard-{number:04d}.json"


def make_shard(folder: Path, number: int, seed: int = SEED) -> None:
    """Write one shard, unless it is there already. Another seed has other texts and voices."""
    done = record_of(folder, number)
    if done.exists():
        return
    rng = random.Random(seed * 1000 + number)
    text = TextSource(seed * 1000 + number, LIST_SHARE, NATURAL_SHARE)
    pieces, recordings, at = [], [], 0
    while at < SHARD_S * SAMPLE_RATE:
        audio, voice, words = make_recording(rng, text)
        recordings.append({"start": at, "samples": len(audio), "voice": voice, "words": words})
        pieces.append(audio)
        at += len(audio)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"shard-{number:04d}.npy", np.concatenate(pieces))
    unfinished = done.with_suffix(".partial")
    unfinished.write_text(json.dumps(recordings))
    os.replace(unfinished, done)  # the shard counts as made only now


@dataclass(frozen=True, slots=True)
class LongRecording:
    """A recording of the corpus: `audio` is an int16 memory map at 16 kHz, shape = (samples,)."""

    audio: np.ndarray
    voice: str
    words: list[tuple[str, float, float]]


def load_shard(folder: Path, number: int) -> list[LongRecording]:
    """The recordings of one finished shard. Raises `FileNotFoundError` if it is not made yet."""
    records = json.loads(record_of(folder, number).read_text())
    samples = np.load(folder / f"shard-{number:04d}.npy", mmap_mode="r")
    return [
        LongRecording(samples[r["start"] : r["start"] + r["samples"]], r["voice"], [tuple(w) for w in r["words"]])
        for r in records
    ]


def at_least_one(text: str) -> int:
    """A count given on the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")
    return int(text)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent stops it
    # Resampling in several threads gains little, and takes twice as long where another worker has the other core.
    torch.set_num_threads(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/pocket/corpus"))
    parser.add_argument("--shards", type=at_least_one, default=180, help="20 minutes each (default: 180, 60 hours)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the texts and voices; another one, other shards")
    parser.add_argument("--workers", type=at_least_one, default=2, help="processes, one core each (default: 2)")
    options = parser.parse_args()
    with Pool(options.workers, _begin_worker) as workers:
        made = workers.imap(partial(make_shard, options.out, seed=options.seed), range(options.shards))
        try:
            for number, _ in enumerate(made, 1):
                print(f"shard {number}/{options.shards}", flush=True)
        except InputError as error:
            parser.error(str(error))
        except KeyboardInterrupt:
            parser.exit(130, "stopped; the same command goes on with the shards that are not finished\n")


if __name__ == "__main__":
    main()
