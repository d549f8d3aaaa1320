"""What befalls the crops of a batch before `pocket` hears them: gain, noise, rooms, babble, gaps in their spectra.

What is to happen to each crop is drawn on the processor, where it costs little; it happens to all crops of a batch at
once, where the training runs: on a GPU in a hundredth of the time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...datasets.acoustics import AUDIBLE_HZ, FIRST_ECHO_S
from ...datasets.audio import SAMPLE_RATE
from .corpus import LongRecording

KINDS = {"noise": 0.2, "room": 0.35, "babble": 0.45}  # shares of the noisy crops: the last two are the harder
HARD_VOICES = frozenset({"flite:slt", "flite:rms"})  # noise costs them most
NOISIER = 4 / 3  # times as often as others' their crops are noisy
TILT_SHARE = 0.3
WIDEST_BAND, LONGEST_GAP = 12, 20  # mel bands, frames: SpecAugment (Park et al. 2019), light
QUIETEST = 1e-3  # noise is added to speech at least as loud as this


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is to happen to one crop. `kind` is one of `KINDS` or "", and a room has noise too.

    Noise and babble lie `below_db` below the speech; `band` and `gap` are the mel bands and frames to leave out,
    first and last + 1.
    """

    gain: float
    tilt: float = 0.0  # of the spectrum: that much of each sample's predecessor is taken from it
    kind: str = ""
    below_db: float = 0.0
    slope: float = 0.0  # of the noise, as in `coloured_noise`
    rt60_s: float = 0.0
    direct_db: float = 0.0  # energy of the direct sound over that of the room
    band: tuple[int, int] = (0, 0)
    gap: tuple[int, int] = (0, 0)


def draw_disturbance(rng: np.random.Generator, voice: str, noise_share: float, frames: int, n_mels: int) -> Disturbance:
    """What happens to a crop of `frames` in which `voice` speaks last, "" for nobody: always a gain, often a tilt.

    `noise_share` of the time also noise, a room, or babble, and as often gaps. Noise lies 5 to 40 dB below the speech,
    babble 3 to 18 dB, and rooms reverberate for 0.15 to 0.7 s.
    """
    if voice in HARD_VOICES:
        noise_share = min(1.0, NOISIER * noise_share)
    found = Disturbance(10 ** rng.uniform(-1.2, 0.3))
    if rng.random() < TILT_SHARE:
        found = replace(found, tilt=rng.uniform(-0.6, 0.6))
    if rng.random() < noise_share:
        low, high = sorted(rng.integers(0, n_mels, 2).tolist())
        begin = int(rng.integers(0, frames))
        gap = begin, begin + int(rng.integers(1, LONGEST_GAP))
        found = replace(found, band=(low, min(high, low + WIDEST_BAND)), gap=gap)
    if rng.random() >= noise_share:
        return found
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "babble" and voice:
        return replace(found, kind=kind, below_db=rng.uniform(3, 18))
    slope = rng.uniform(0.0, 1.0)
    if kind == "room":
        room = {"rt60_s": rng.uniform(0.15, 0.7), "direct_db": rng.uniform(0, 12)}
        return replace(found, kind=kind, below_db=rng.uniform(15, 40), slope=slope, **room)
    return replace(found, kind="noise", below_db=rng.uniform(5, 40), slope=slope)


def babble(rng: np.random.Generator, corpus: Sequence[LongRecording], samples: int) -> np.ndarray:
    """Three to six other recordings at once, as loud as each other within 6 dB, shape = (samples,)."""
    together = np.zeros(samples, np.float32)
    for _ in range(rng.integers(3, 7)):
        recording = corpus[int(rng.integers(len(corpus)))]
        start = int(rng.integers(max(1, len(recording.audio) - samples)))
        piece = recording.audio[start : start + samples] / np.float32(32768)
        loudness = 10 ** (rng.uniform(-3, 3) / 20) / max(float(piece.std()), 1e-3)
        together[: len(piece)] += np.float32(loudness) * piece
    return together


def disturbed(audio: Tensor, what: Sequence[Disturbance], talkers: Tensor, generator: torch.Generator) -> Tensor:
    """`audio`, shape = (crops, samples), after `what` happened to each crop, within -1 and 1.

    `talkers` are the babble of the crops that have any, in their order, shape = (crops with babble, samples).
    """

    def of_each(field: str, rows: Sequence[int] | None = None) -> Tensor:
        chosen = what if rows is None else [what[row] for row in rows]
        return torch.tensor([[getattr(one, field)] for one in chosen], dtype=torch.float32, device=audio.device)

    def rows_of(*kinds: str) -> list[int]:
        return [row for row, one in enumerate(what) if one.kind in kinds]

    def add(rows: list[int], noise: Tensor) -> None:
        level = audio[rows].std(1, keepdim=True).clamp(min=QUIETEST) * 10 ** (-of_each("below_db", rows) / 20)
        audio[rows] += level * noise / noise.std(1, keepdim=True).clamp(min=1e-9)

    audio = audio * of_each("gain")
    audio = audio - of_each("tilt") * F.pad(audio[:, :-1], (1, 0))
    if rooms := rows_of("room"):
        responses = _room_responses(of_each("rt60_s", rooms), of_each("direct_db", rooms), generator)
        audio[rooms] = _reverberated(audio[rooms], responses)
    if noisy := rows_of("noise", "room"):
        add(noisy, _noise(of_each("slope", noisy), audio.shape[1], generator))
    if babbled := rows_of("babble"):
        add(babbled, talkers)
    return audio.clamp(-1, 1)


def with_gaps(mel: Tensor, what: Sequence[Disturbance]) -> Tensor:
    """`mel`, shape = (crops, n_mels, frames), with each crop's mean in place of its band and gap."""

    def inside(field: str, size: int) -> Tensor:  # shape = (crops, size)
        first, last = torch.tensor([getattr(one, field) for one in what], device=mel.device).T[..., None]
        at = torch.arange(size, device=mel.device)
        return (at >= first) & (at < last)

    left_out = inside("band", mel.shape[1])[:, :, None] | inside("gap", mel.shape[2])[:, None]
    return torch.where(left_out, mel.mean((1, 2), keepdim=True), mel)


def _noise(slopes: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """As `acoustics.coloured_noise` from `AUDIBLE_HZ` on: a row for each of `slopes`, shape = (rows, 1)."""
    size = _quick(samples)
    shape = (len(slopes), size // 2 + 1)
    spectrum = torch.randn(shape, dtype=torch.complex64, generator=generator, device=slopes.device)
    spectrum *= (1 + torch.arange(shape[1], device=slopes.device)) ** -slopes
    spectrum[:, : math.ceil(AUDIBLE_HZ * size / SAMPLE_RATE)] = 0
    return torch.fft.irfft(spectrum, size)[:, :samples]


def _room_responses(rt60_s: Tensor, direct_db: Tensor, generator: torch.Generator) -> Tensor:
    """As `acoustics.room_response`, a row each, padded to the longest."""
    seconds = torch.arange(1, int(float(rt60_s.max()) * SAMPLE_RATE), device=rt60_s.device) / SAMPLE_RATE
    tail = torch.randn((len(rt60_s), len(seconds)), generator=generator, device=rt60_s.device)
    tail *= 10 ** (-3 * seconds / rt60_s) * ((seconds > FIRST_ECHO_S) & (seconds < rt60_s))
    tail *= 10 ** (-direct_db / 20) / tail.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return F.pad(tail, (1, 0), value=1.0)


def _reverberated(audio: Tensor, responses: Tensor) -> Tensor:
    size = _quick(audio.shape[1] + responses.shape[1])
    spectrum = torch.fft.rfft(audio, size) * torch.fft.rfft(responses, size)
    return torch.fft.irfft(spectrum, size)[:, : audio.shape[1]]


def _quick(samples: int) -> int:
    """At least as many, of few numbers that are quickly transformed."""
    return math.ceil(samples / 2**14) * 2**14
