"""Step 2 of the recipe, `train`: fit a small Whisper to random crops of the synthetic corpus.

    python -m earspan.speech.pocket.train --corpus build/pocket/corpus --out build/pocket --steps 9000

Stop it at any time and start it again: it goes on from its last checkpoint, and step `k` sees the same crops
whether or not it was interrupted. What makes a Whisper this small learn to align in hours on two CPU cores:
* an auxiliary CTC head over characters on the encoder (CTC over subword tokens hardly helps),
* short crops first, growing to 30 s,
* the encoder's sinusoids scaled to 0.1: at full size they drown the features of the untrained convolutions.
"""

import argparse
import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import ModelDimensions, Whisper

from ...datasets.audio import SAMPLE_RATE
from ..mel import log_mel
from ..model import encode
from .corpus import SEED, LongRecording, load_shard
from .vocabulary import LETTERS, N_VOCAB, compact_index, tokenizer, used_tokens

DIMS = ModelDimensions(
    n_mels=80, n_audio_ctx=1500, n_audio_state=192, n_audio_head=3, n_audio_layer=4,
    n_vocab=N_VOCAB, n_text_ctx=448, n_text_state=192, n_text_head=3, n_text_layer=2,
)  # fmt: skip
BATCH_S = 64.0  # audio in one step
SINUSOID_SCALE = 0.1
KEPT_WORD_SHARE = 0.6  # a word cut by the crop's edge is text if this much of it can be heard
IGNORE = -100


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate and crop length by step: warm-up, plateau, then linear decay over the last part."""

    steps: int
    peak_rate: float = 1.5e-3
    warmup: int = 400
    decay_share: float = 0.75

    def rate(self, step: int) -> float:
        decay = (self.steps - step) / max(1.0, self.decay_share * self.steps)
        return self.peak_rate * min(1.0, (step + 1) / self.warmup, max(decay, 0.0))

    def longest_crop_s(self, step: int) -> float:
        """4 s at first, 6 s at a third of the way, 30 s from 70 % on."""
        progress = step / self.steps
        if progress < 0.35:
            return 4.0 + 2.0 * progress / 0.35
        return 6.0 * 5.0 ** min(1.0, (progress - 0.35) / 0.35)

    def shortest_crop_s(self, step: int) -> float:
        """1.5 s until the encoder aligns well, 0.5 s in the second half."""
        return 1.5 if step < 0.5 * self.steps else 0.5

    def noise_share(self, step: int) -> float:
        """The share of noisy crops: none at first, as noise delays the alignment most; 40 % from 80 % of the way on."""
        return 0.4 * min(1.0, max(0.0, step / self.steps - 0.35) / 0.45)


class PocketTrainer(nn.Module):
    """A Whisper with a compact token table, and the CTC head that training adds."""

    def __init__(self) -> None:
        super().__init__()
        self.whisper = Whisper(DIMS)
        self.ctc = nn.Linear(DIMS.n_audio_state, len(LETTERS) + 1)
        decoder = self.whisper.decoder
        decoder.token_embedding = nn.Embedding(len(used_tokens()) + 1, DIMS.n_text_state)
        nn.init.normal_(decoder.token_embedding.weight, std=0.05)
        # openai-whisper leaves this parameter as uninitialised memory.
        nn.init.normal_(decoder.positional_embedding, std=0.01)
        self.whisper.encoder.positional_embedding *= SINUSOID_SCALE
        multiplicity = torch.zeros(len(used_tokens()) + 1)
        multiplicity[-1] = math.log(N_VOCAB - len(used_tokens()))
        self.register_buffer("log_multiplicity", multiplicity, persistent=False)

    def forward(self, mel: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Token logits, shape = (batch, tokens, rows), and CTC logits, shape = (batch, frames // 2, letters + 1)."""
        features = encode(self.whisper.encoder, mel)
        logits = self.whisper.decoder(tokens, features).float() + self.log_multiplicity
        return logits, self.ctc(features).float()


@dataclass(frozen=True, slots=True)
class Batch:
    mel: Tensor  # shape = (batch, n_mels, frames)
    tokens: Tensor  # decoder input, compact ids, shape = (batch, tokens)
    targets: Tensor  # the same shifted by one, IGNORE where there is no token
    letters: Tensor  # CTC targets of all clips, one after the other
    letter_counts: Tensor  # shape = (batch,)


def crop(recording: LongRecording, start_s: float, length_s: float) -> tuple[np.ndarray, str]:
    """A piece of a recording: float32 samples, shape = (length_s * 16000,), and the text that can be heard in it."""
    first = int(start_s * SAMPLE_RATE)
    audio = recording.audio[first : first + int(length_s * SAMPLE_RATE)].astype(np.float32) / 32768
    audio = np.pad(audio, (0, int(length_s * SAMPLE_RATE) - len(audio)))
    heard = []
    for word, word_start_s, word_end_s in recording.words:
        overlap_s = min(word_end_s, start_s + length_s) - max(word_start_s, start_s)
        if overlap_s > 0 and overlap_s >= KEPT_WORD_SHARE * (word_end_s - word_start_s):
            heard.append(word)
    return audio, " ".join(heard)


def draw_crops(
    rng: np.random.Generator, corpus: list[LongRecording], schedule: Schedule, step: int
) -> tuple[Tensor, list[str]]:
    """Equally long random crops, about `BATCH_S` in all: audio, shape = (batch, samples), and texts."""
    shortest_s, longest_s = schedule.shortest_crop_s(step), schedule.longest_crop_s(step)
    length_s = longest_s if rng.random() < 0.15 else float(np.exp(rng.uniform(np.log(shortest_s), np.log(longest_s))))
    length_s = round(length_s / 0.02) * 0.02  # an even number of 10 ms frames
    clips, texts = [], []
    for _ in range(min(48, max(2, round(BATCH_S / length_s)))):
        recording = corpus[rng.integers(len(corpus))]
        latest_s = max(0.0, len(recording.audio) / SAMPLE_RATE - length_s)
        audio, text = crop(recording, rng.uniform(0, latest_s), length_s)
        if rng.random() < 0.03:  # no speech: no text
            audio, text = np.zeros_like(audio), ""
        clips.append(augment(rng, audio, schedule.noise_share(step)))
        texts.append(text)
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


def make_batch(rng: np.random.Generator, corpus: list[LongRecording], schedule: Schedule, step: int) -> Batch:
    """The crops of one training step as spectrograms with their targets."""
    audio, texts = draw_crops(rng, corpus, schedule, step)
    mel = log_mel(audio, DIMS.n_mels)
    for clip in mel:  # SpecAugment (Park et al. 2019), light: one band, one stretch of up to 0.2 s
        if rng.random() < schedule.noise_share(step):
            low, high = sorted(rng.integers(0, DIMS.n_mels, 2))
            clip[low : min(high, low + 12)] = clip.mean()
            begin = rng.integers(0, mel.shape[-1])
            clip[:, begin : begin + rng.integers(1, 20)] = clip.mean()
    rows = compact_index()
    specials = tokenizer()
    sequences = [
        rows[[specials.sot, specials.no_timestamps, *(specials.encode(" " + t) if t else ()), specials.eot]]
        for t in texts
    ]
    padded = nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=IGNORE)
    letters = [[1 + LETTERS.index(c) for c in t.lower() if c in LETTERS] for t in texts]
    targets = padded[:, 1:].clone()
    targets[:, 0] = IGNORE  # <|notimestamps|> is given, not predicted
    return Batch(
        mel,
        padded[:, :-1].clamp(min=0),
        targets,
        torch.tensor([c for line in letters for c in line], dtype=torch.long),
        torch.tensor([len(line) for line in letters]),
    )


def losses(model: PocketTrainer, batch: Batch) -> tuple[Tensor, Tensor, float]:
    """Cross-entropy of the decoder, CTC loss a letter of the encoder, and the share of tokens guessed right."""
    with torch.autocast("cpu", torch.bfloat16):
        logits, ctc_logits = model(batch.mel, batch.tokens)
    token_loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE)
    frames = torch.full((len(batch.mel),), ctc_logits.shape[1])
    ctc_loss = F.ctc_loss(
        ctc_logits.log_softmax(-1).transpose(0, 1),
        batch.letters,
        frames,
        batch.letter_counts,
        reduction="sum",
        zero_infinity=True,
    ) / max(1, int(batch.letter_counts.sum()))
    known = batch.targets != IGNORE
    right = float((logits.argmax(-1) == batch.targets)[known].float().mean())
    return token_loss, ctc_loss, right


def train(corpus_folder: Path, out: Path, schedule: Schedule, shards: int, save_every: int = 250) -> Path:
    """Train up to `schedule.steps`, from the last checkpoint in `out` if there is one. Returns the checkpoint."""
    torch.manual_seed(SEED)
    model = PocketTrainer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.peak_rate, betas=(0.9, 0.98), weight_decay=0.02)
    checkpoint = out / "training.pt"
    first, heard_s = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, heard_s = state["step"], state["heard_s"]
        print(f"going on from step {first}", flush=True)
    corpus: list[LongRecording] = []
    loaded = 0

    def prepare(step: int) -> Batch:
        nonlocal loaded
        # Shards join one by one, at steps fixed beforehand, so training can begin while later ones are being made.
        wanted = min(shards, 6 + step // 40)
        while loaded < wanted:
            corpus.extend(load_shard(corpus_folder, loaded))
            loaded += 1
        return make_batch(np.random.default_rng((SEED, step)), corpus, schedule, step)

    began, recent = time.monotonic(), []
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(prepare, first)
        for step in range(first, schedule.steps):
            batch = upcoming.result()
            upcoming = pool.submit(prepare, step + 1)
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(step)
            token_loss, ctc_loss, right = losses(model, batch)
            optimizer.zero_grad(set_to_none=True)
            (token_loss + ctc_loss).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            heard_s += batch.mel.shape[0] * batch.mel.shape[2] / 100
            recent.append((token_loss.item(), ctc_loss.item(), right))
            if (step + 1) % 50 == 0:
                token, ctc, accuracy = np.mean(recent, axis=0)
                recent.clear()
                pace = (time.monotonic() - began) / (step + 1 - first)
                print(
                    f"step {step + 1}/{schedule.steps}  token loss {token:.3f}  ctc {ctc:.3f}  tokens right {accuracy:.3f}"
                    f"  crops to {schedule.longest_crop_s(step):.0f} s  heard {heard_s / 3600:.1f} h  {pace:.2f} s/step",
                    flush=True,
                )
            if (step + 1) % save_every == 0 or step + 1 == schedule.steps:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
                torch.save({**state, "heard_s": heard_s, "dims": asdict(DIMS)}, checkpoint.with_suffix(".partial"))
                os.replace(checkpoint.with_suffix(".partial"), checkpoint)
    return checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("build/pocket/corpus"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket"))
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--shards", type=int, default=120)
    options = parser.parse_args()
    train(options.corpus, options.out, Schedule(options.steps), options.shards)


if __name__ == "__main__":
    main()
