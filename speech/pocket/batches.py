"""What each training step of `pocket` sees: random crops of the synthetic corpus, on a schedule of difficulty."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor, nn
from whisper.audio import HOP_LENGTH
from whisper.model import ModelDimensions

from ...datasets.acoustics import AUDIBLE_HZ, coloured_noise
from ...datasets.audio import SAMPLE_RATE
from ..mel import log_mel
from .corpus import SEED, LongRecording
from .disturbances import Disturbance, babble, disturbed, draw_disturbance, with_gaps
from .targets import IGNORE, NO_SPAN, Clip, TimedWord, longest_prompt, write_out
from .vocabulary import N_VOCAB, compact_index, letters_of, phonemes_of, tokenizer

DIMS = ModelDimensions(
    n_mels=80, n_audio_ctx=1500, n_audio_state=192, n_audio_head=3, n_audio_layer=8,
    n_vocab=N_VOCAB, n_text_ctx=448, n_text_state=192, n_text_head=3, n_text_layer=4,
)  # fmt: skip
CPU = torch.device("cpu")
PARTS = ("all", "encoder", "decoder")
# Audio in one step, all workers together. The decoder alone takes less work.
BATCH_S = {"all": 128.0, "encoder": 128.0, "decoder": 256.0}
LONGEST_SHARE = {"all": 0.1, "encoder": 0.1, "decoder": 0.25}  # of the steps, with crops of the greatest length
MOST_CROPS = 128
NO_SPEECH_SHARE = 0.03  # crops of silence or noise alone, whose text is empty
KEPT_WORD_SHARE = 0.6  # a word cut by the crop's edge is text if this much of it can be heard
PAUSE_SHARE = 0.3
TOLD_AGAIN_SHARE = 0.2  # crops of two pieces in which the second begins within the first, and says it again


@dataclass(frozen=True, slots=True)
class Schedule:
    """One phase of training: its steps, what learns, how long crops are, how many are noisy.

    part: "encoder" learns by its CTC heads alone, without a decoder; "decoder" leaves the encoder as it is.
    noise_share: of the crops. Noise delays the alignment: a model that does not align yet needs clean crops.
    """

    steps: int
    part: str = "all"
    shortest_s: float = 0.7
    longest_s: float = 30.0
    noise_share: float = 0.4
    peak_rate: float = 9e-4
    warmup: int = 150
    decay_share: float = 0.9
    seed: int = SEED  # of the crops
    scale: int = 1  # times as much audio in a step: one of a processor leaves a GPU idle

    def rate(self, step: int) -> float:
        """Linear warm-up to `peak_rate`, linear decay to 0 at the last step."""
        decay = (self.steps - step) / max(1.0, self.decay_share * self.steps)
        return self.peak_rate * min(1.0, (step + 1) / self.warmup, max(decay, 0.0))


@dataclass(frozen=True, slots=True)
class Labels:
    """CTC targets: of all clips one after the other, and how many each clip has, shape = (batch,)."""

    flat: Tensor
    counts: Tensor

    def to(self, device: torch.device) -> "Labels":
        """The same on `device`; counts stay, as PyTorch's CTC loss reads them on the processor."""
        return Labels(self.flat.to(device), self.counts)

    @classmethod
    def of(cls, rows: list[list[int]]) -> "Labels":
        flat = [label for row in rows for label in row]
        return cls(torch.tensor(flat, dtype=torch.long), torch.tensor([len(row) for row in rows]))


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step of training hears, reads and is to write."""

    mel: Tensor  # shape = (batch, n_mels, frames)
    tokens: Tensor  # decoder input, compact ids, shape = (batch, tokens)
    targets: Tensor  # the token to write after each of them, IGNORE where there is none
    spans_s: Tensor  # start and end of each target's word, negative where there is none, shape = (batch, tokens, 2)
    weights: Tensor  # how much each target counts, shape = (batch, tokens)
    letters: Labels
    phonemes: Labels

    def to(self, device: torch.device) -> "Batch":
        """The same on `device`."""
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


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


def draw_length_s(rng: np.random.Generator, schedule: Schedule) -> float:
    """The length of the crops of a step: any within the schedule's bounds, the longest more often."""
    shortest_s, longest_s = schedule.shortest_s, schedule.longest_s
    length_s = (
        longest_s
        if rng.random() < LONGEST_SHARE[schedule.part]
        else float(np.exp(rng.uniform(np.log(shortest_s), np.log(longest_s))))
    )
    return round(length_s / 0.02) * 0.02  # an even number of 10 ms frames


def draw_clip(rng: np.random.Generator, corpus: list[LongRecording], length_s: float) -> Clip:
    """A random crop, or, `PAUSE_SHARE` of the time, two of any recordings with silence before, between and after.

    Were speech to fill every crop, the decoder would learn to find a word by its number and not by listening, and be
    lost wherever somebody pauses. Were nothing ever said twice, it would find its place by the last words alone, and
    jump wherever they occur again.
    """
    if rng.random() < NO_SPEECH_SHARE:
        silence = np.zeros(round(length_s * SAMPLE_RATE), np.float32)
        loudness = np.float32(10 ** rng.uniform(-4, -0.7) * (rng.random() < 0.7))
        return Clip(silence + loudness * coloured_noise(rng, len(silence), rng.uniform(0, 1), AUDIBLE_HZ), [], [])
    shares = np.array([0.0, 1.0, 0.0])
    if rng.random() < PAUSE_SHARE:
        shares = rng.dirichlet((0.5, 2.0, 0.5, 2.0, 0.5))
    told_again = rng.random() < TOLD_AGAIN_SHARE
    recording, start_s = None, 0.0
    audio, words, before, at_s = [], [], [], 0.0
    for number, share_s in enumerate(shares * length_s):
        if number % 2 == 0:
            audio.append(np.zeros(round(share_s * SAMPLE_RATE), np.float32))
        else:
            if recording and told_again:
                start_s += rng.uniform(0, shares[1] * length_s)
            else:
                recording = corpus[rng.integers(len(corpus))]
                start_s = rng.uniform(0, max(0.0, len(recording.audio) / SAMPLE_RATE - share_s))
            piece, heard = crop(recording, start_s, share_s)
            if not words:
                before = [word for word, _, end_s in recording.words if end_s <= start_s]
            audio.append(piece)
            words += [(word, at_s + begin_s, at_s + end_s) for word, begin_s, end_s in heard]
        at_s += share_s
    samples = np.concatenate(audio)[: round(length_s * SAMPLE_RATE)]
    samples = np.pad(samples, (0, round(length_s * SAMPLE_RATE) - len(samples)))
    return Clip(samples, words, before, recording.voice if recording else "")


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch that is drawn but not yet disturbed and heard. `audio` shape = (batch, samples)."""

    audio: Tensor
    disturbances: tuple[Disturbance, ...]
    babble: Tensor  # of the crops that have any
    seed: int  # of the noise
    unheard: Batch  # its spectrogram has no frames yet

    def heard(self, device: torch.device = CPU) -> Batch:
        """The batch, on `device`. The noise is drawn there: another device has other samples."""
        noise = torch.Generator(device).manual_seed(self.seed)
        audio, talkers = self.audio.to(device), self.babble.to(device)
        mel = log_mel(disturbed(audio, self.disturbances, talkers, noise), DIMS.n_mels)
        return replace(self.unheard.to(device), mel=with_gaps(mel, self.disturbances))


def draw_batch(corpus: list[LongRecording], schedule: Schedule, step: int, worker: int = 0, workers: int = 1) -> Draft:
    """What `worker` of `workers` is to hear at one step, and the targets.

    A pure function of its arguments: all workers draw the same crop length, so that none waits, and their own crops.
    """
    length_s = draw_length_s(np.random.default_rng((schedule.seed, step)), schedule)
    in_all = min(MOST_CROPS, max(2, round(BATCH_S[schedule.part] / length_s))) * schedule.scale
    count = max(1, in_all // workers)
    rng = np.random.default_rng((schedule.seed, step, worker))
    clips = [draw_clip(rng, corpus, length_s) for _ in range(count)]
    audio = np.stack([clip.audio for clip in clips])
    frames = audio.shape[1] // HOP_LENGTH
    happens = tuple(draw_disturbance(rng, clip.voice, schedule.noise_share, frames, DIMS.n_mels) for clip in clips)
    talkers = [babble(rng, corpus, audio.shape[1]) for one in happens if one.kind == "babble"]
    most = longest_prompt(rng)
    inputs, targets, spans, weights = zip(*(write_out(rng, clip, most) for clip in clips), strict=True)
    pad = nn.utils.rnn.pad_sequence
    no_token = int(compact_index()[tokenizer().eot])
    said = [[word for word, _, _ in clip.words] for clip in clips]
    unheard = Batch(
        torch.empty(count, DIMS.n_mels, 0),
        pad(list(inputs), batch_first=True, padding_value=no_token),
        pad(list(targets), batch_first=True, padding_value=IGNORE),
        pad(list(spans), batch_first=True, padding_value=NO_SPAN[0]),
        pad(list(weights), batch_first=True),
        Labels.of([letters_of(words) for words in said]),
        Labels.of([phonemes_of(words) for words in said]),
    )
    return Draft(
        torch.from_numpy(audio),
        happens,
        torch.from_numpy(np.stack(talkers)) if talkers else torch.empty(0, audio.shape[1]),
        int(rng.integers(2**62)),
        unheard,
    )
