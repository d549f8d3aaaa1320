"""What each training step of `pocket` sees: random crops of the synthetic corpus, on a schedule of difficulty."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from whisper.model import ModelDimensions

from ...datasets.audio import SAMPLE_RATE
from ..mel import log_mel
from .corpus import SEED, LongRecording
from .vocabulary import LETTERS, N_VOCAB, compact_index, tokenizer, used_tokens

DIMS = ModelDimensions(
    n_mels=80, n_audio_ctx=1500, n_audio_state=192, n_audio_head=3, n_audio_layer=4,
    n_vocab=N_VOCAB, n_text_ctx=448, n_text_state=192, n_text_head=3, n_text_layer=2,
)  # fmt: skip
BATCH_S = 64.0  # audio in one step, all workers together
MOST_CROPS = 48
KEPT_WORD_SHARE = 0.6  # a word cut by the crop's edge is text if this much of it can be heard
IGNORE = -100
NO_SPAN = (-1.0, -1.0)
# The share of the decoder's input tokens that are replaced by random ones, so that it learns to listen rather than
# to go on by the grammar of the training text, which nobody speaks.
SPOILT_TOKEN_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate and difficulty by step: warm-up, linear decay; longer crops, then shorter ones and noise."""

    steps: int
    peak_rate: float = 1.3e-3
    warmup: int = 200
    decay_share: float = 0.9

    def rate(self, step: int) -> float:
        decay = (self.steps - step) / max(1.0, self.decay_share * self.steps)
        return self.peak_rate * min(1.0, (step + 1) / self.warmup, max(decay, 0.0))

    def longest_crop_s(self, step: int) -> float:
        """6 s for the first third, 30 s from two thirds of the way on."""
        return 6.0 * 5.0 ** min(1.0, max(0.0, 3 * step / self.steps - 1))

    def shortest_crop_s(self, step: int) -> float:
        """1.5 s until the encoder aligns well, 0.7 s in the second half."""
        return 1.5 if step < 0.5 * self.steps else 0.7

    def noise_share(self, step: int) -> float:
        """The share of noisy crops: none in the first half, as noise delays the alignment; 10 % at three quarters."""
        return 0.1 * min(1.0, max(0.0, 4 * step / self.steps - 2))


@dataclass(frozen=True, slots=True)
class Batch:
    mel: Tensor  # shape = (batch, n_mels, frames)
    tokens: Tensor  # decoder input, compact ids, shape = (batch, tokens)
    targets: Tensor  # the same shifted by one, IGNORE where there is no token
    spans_s: Tensor  # start and end of each target's word, negative where there is none, shape = (batch, tokens, 2)
    letters: Tensor  # CTC targets of all clips, one after the other
    letter_counts: Tensor  # shape = (batch,)


TimedWord = tuple[str, float, float]  # text, start and end in seconds


def crop(recording: LongRecording, start_s: float, length_s: float) -> tuple[np.ndarray, list[TimedWord]]:
    """A piece of a recording: float32 samples, shape = (length_s * 16000,), and the words that can be heard in it.

    Times of words count from the start of the piece.
    """
    first = int(start_s * SAMPLE_RATE)
    audio = recording.audio[first : first + int(length_s * SAMPLE_RATE)].astype(np.float32) / 32768
    audio = np.pad(audio, (0, int(length_s * SAMPLE_RATE) - len(audio)))
    heard = []
    for word, word_start_s, word_end_s in recording.words:
        overlap_s = min(word_end_s, start_s + length_s) - max(word_start_s, start_s)
        if overlap_s > 0 and overlap_s >= KEPT_WORD_SHARE * (word_end_s - word_start_s):
            heard.append((word, word_start_s - start_s, word_end_s - start_s))
    return audio, heard


def draw_length_s(rng: np.random.Generator, schedule: Schedule, step: int) -> float:
    """The length of the crops of a step: any within the schedule's bounds, the longest more often."""
    shortest_s, longest_s = schedule.shortest_crop_s(step), schedule.longest_crop_s(step)
    length_s = longest_s if rng.random() < 0.35 else float(np.exp(rng.uniform(np.log(shortest_s), np.log(longest_s))))
    return round(length_s / 0.02) * 0.02  # an even number of 10 ms frames


def draw_crops(
    rng: np.random.Generator, corpus: list[LongRecording], length_s: float, count: int, noise_share: float
) -> tuple[Tensor, list[list[TimedWord]]]:
    """Random crops of one length: audio, shape = (count, samples), and the words of each."""
    clips, texts = [], []
    for _ in range(count):
        recording = corpus[rng.integers(len(corpus))]
        latest_s = max(0.0, len(recording.audio) / SAMPLE_RATE - length_s)
        audio, words = crop(recording, rng.uniform(0, latest_s), length_s)
        if rng.random() < 0.03:  # no speech: no text
            audio, words = np.zeros_like(audio), []
        clips.append(augment(rng, audio, noise_share))
        texts.append(words)
    return torch.from_numpy(np.stack(clips)), texts


def augment(rng: np.random.Generator, audio: np.ndarray, noise_share: float) -> np.ndarray:
    """Random gain, spectral tilt and noise (white to brown) at 5-40 dB below the speech, float32."""
    audio = audio * np.float32(10 ** rng.uniform(-1.2, 0.3))
    if rng.random() < 0.3:
        tilt = np.float32(rng.uniform(-0.6, 0.6))
        audio = audio - tilt * np.concatenate(([np.float32(0)], audio[:-1]))
    if rng.random() < noise_share:
        level = max(float(audio.std()), 1e-3) * 10 ** (-rng.uniform(5, 40) / 20)
        spectrum = np.fft.rfft(rng.standard_normal(len(audio), dtype=np.float32))
        spectrum *= (1 + np.arange(len(spectrum))) ** -rng.uniform(0.0, 1.0)
        noise = np.fft.irfft(spectrum, len(audio)).astype(np.float32)
        audio = audio + noise * np.float32(level / max(float(noise.std()), 1e-9))
    return np.clip(audio, -1, 1).astype(np.float32)


def make_batch(corpus: list[LongRecording], schedule: Schedule, step: int, worker: int = 0, workers: int = 1) -> Batch:
    """What `worker` of `workers` sees at one step: crops as spectrograms with their targets.

    A pure function of its arguments: all workers draw the same crop length, so that none waits, and their own crops.
    """
    length_s = draw_length_s(np.random.default_rng((SEED, step)), schedule, step)
    count = min(MOST_CROPS, max(2, round(BATCH_S / length_s))) // workers
    rng, noise_share = np.random.default_rng((SEED, step, worker)), schedule.noise_share(step)
    audio, texts = draw_crops(rng, corpus, length_s, max(1, count), noise_share)
    mel = log_mel(audio, DIMS.n_mels)
    for clip in mel:  # SpecAugment (Park et al. 2019), light: one band, one stretch of up to 0.2 s
        if rng.random() < noise_share:
            low, high = sorted(rng.integers(0, DIMS.n_mels, 2))
            clip[low : min(high, low + 12)] = clip.mean()
            begin = rng.integers(0, mel.shape[-1])
            clip[:, begin : begin + rng.integers(1, 20)] = clip.mean()
    rows, special = compact_index(), tokenizer()
    sequences, spans = [], []
    for words in texts:
        # Byte pairs never cross a space: the tokens of a text are those of its words.
        pieces = [(special.encode(" " + word), start_s, end_s) for word, start_s, end_s in words]
        tokens = [token for ids, _, _ in pieces for token in ids]
        sequences.append(rows[[special.sot, special.no_timestamps, *tokens, special.eot]])
        times = [(start_s, end_s) for ids, start_s, end_s in pieces for _ in ids]
        spans.append(torch.tensor([NO_SPAN, *times, NO_SPAN], dtype=torch.float32))
    padded = nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=IGNORE)
    letters = [
        [1 + LETTERS.index(c) for c in t.lower() if c in LETTERS]
        for t in (" ".join(word for word, _, _ in words) for words in texts)
    ]
    targets = padded[:, 1:].clone()
    targets[:, 0] = IGNORE  # <|notimestamps|> is given, not predicted
    inputs = padded[:, :-1].clamp(min=0)
    spoilt = torch.from_numpy(rng.random(inputs.shape) < SPOILT_TOKEN_SHARE)
    spoilt[:, :2] = False  # the marks that begin every transcript
    inputs = torch.where(spoilt, torch.from_numpy(rng.integers(0, len(used_tokens()), inputs.shape)), inputs)
    return Batch(
        mel,
        inputs,
        targets,
        nn.utils.rnn.pad_sequence(spans, batch_first=True, padding_value=NO_SPAN[0]),
        torch.tensor([c for line in letters for c in line], dtype=torch.long),
        torch.tensor([len(line) for line in letters]),
    )
