"""What learns in the recipe's second step, and what it makes small: a Whisper with CTC heads, and their losses."""

import math
import time
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import Whisper

from ..model import encode
from .attention import use_whole_matrices
from .batches import CPU, DIMS, Batch, Labels
from .targets import IGNORE, with_own_errors
from .vocabulary import LETTERS, N_VOCAB, phonemes, used_tokens

SINUSOID_SCALE = 0.1
PHONEME_LAYER = 3  # the encoder block whose output the CTC head over phonemes reads; later ones learn to spell
POSITIONS_PER_S = 50  # encoder positions
SPAN_MARGIN_S = 0.06


class PocketTrainer(nn.Module):
    """A Whisper with a compact token table, and the CTC heads that training adds, on `device`."""

    def __init__(self, device: torch.device = CPU) -> None:
        super().__init__()
        self.whisper = Whisper(DIMS)
        if device.type == "cpu":
            use_whole_matrices(self.whisper)
        # What blocks add to is kept whole, as everywhere else in mixed precision.
        self.whisper.encoder.conv2.register_forward_hook(lambda module, inputs, output: output.float())
        width = DIMS.n_audio_state
        self.letters = nn.Linear(width, len(LETTERS) + 1)
        self.phonemes = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(phonemes()) + 1))
        self._middle: dict[int, Tensor] = {}
        middle = self.whisper.encoder.get_submodule(f"blocks.{min(PHONEME_LAYER, DIMS.n_audio_layer - 1)}")
        middle.register_forward_hook(_keep(self._middle, 0))
        decoder = self.whisper.decoder
        decoder.token_embedding = nn.Embedding(len(used_tokens()) + 1, DIMS.n_text_state)
        nn.init.normal_(decoder.token_embedding.weight, std=0.05)
        # openai-whisper leaves this parameter as uninitialised memory.
        nn.init.normal_(decoder.positional_embedding, std=0.01)
        dict(self.whisper.encoder.named_buffers())["positional_embedding"].mul_(SINUSOID_SCALE)
        multiplicity = torch.zeros(len(used_tokens()) + 1)
        multiplicity[-1] = math.log(N_VOCAB - len(used_tokens()))
        self.register_buffer("log_multiplicity", multiplicity, persistent=False)

        # What the guided head of each decoder layer asks for and finds, for `alignment_loss`.
        self.queries: dict[int, Tensor] = {}
        self.keys: dict[int, Tensor] = {}
        for layer in range(DIMS.n_text_layer):
            attention = decoder.get_submodule(f"blocks.{layer}.cross_attn")
            attention.get_submodule("query").register_forward_hook(_keep(self.queries, layer))
            attention.get_submodule("key").register_forward_hook(_keep(self.keys, layer))
        self.to(device)

    def hear(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features, shape = (batch, positions, state), and CTC logits, shape = (batch, positions, labels + 1).

        The logits are those of letters, and those of phonemes.
        """
        features = encode(self.whisper.encoder, mel)
        return features, self.letters(features).float(), self.phonemes(self._middle.pop(0)).float()

    def write(self, tokens: Tensor, features: Tensor) -> Tensor:
        """Token logits, shape = (batch, tokens, rows)."""
        return self.whisper.decoder(tokens, features).float() + self.log_multiplicity


def _keep(store: dict[int, Tensor], layer: int):
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        store[layer] = output

    return hook


def alignment_loss(queries: Tensor, keys: Tensor, spans_s: Tensor) -> Tensor:
    """Minus the log of the attention that the first head pays to the frames of the right word, mean over tokens.

    `queries` shape = (batch, tokens, state), `keys` shape = (batch, positions, state), `spans_s` the words' times. In
    long crops the decoder otherwise takes long to find where it is (guided attention: Tachibana et al. 2018).
    """
    width = DIMS.n_text_state // DIMS.n_text_head
    scores = queries[..., :width].float() @ keys[..., :width].float().transpose(1, 2) * width**-0.5
    seconds = torch.arange(keys.shape[1], device=keys.device) / POSITIONS_PER_S
    start_s, end_s = spans_s[..., :1] - SPAN_MARGIN_S, spans_s[..., 1:] + SPAN_MARGIN_S
    inside = (seconds >= start_s) & (seconds <= end_s)
    known = (spans_s[..., 1] >= 0) & inside.any(-1)
    attention = scores.log_softmax(-1).masked_fill(~inside, -1e4).logsumexp(-1)
    return -attention.where(known, 0.0).sum() / known.sum().clamp(min=1)


@cache
def halves_are_faster() -> bool:
    """Whether this processor multiplies bfloat16 matrices faster than float32 ones.

    Those without instructions for it (Zen 3) take 10 to 36 times as long; a Xeon with AMX takes a sixth (`LOG.md`).
    """

    def quickest_s(dtype: torch.dtype) -> float:
        matrix, times_s = torch.ones(384, 384, dtype=dtype), []
        for _ in range(4):
            began = time.perf_counter()
            torch.mm(matrix, matrix)
            times_s.append(time.perf_counter() - began)
        return min(times_s)

    return quickest_s(torch.bfloat16) < quickest_s(torch.float32)


def faster_precision(device: torch.device = CPU) -> torch.autocast:
    """A context in which matrices are multiplied in the precision that is faster on `device`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or halves_are_faster())


class Losses(NamedTuple):
    """`token`: cross-entropy of the decoder. `letters`, `phonemes`: CTC loss a label. `right`: share of tokens."""

    token: Tensor
    letters: Tensor
    phonemes: Tensor
    alignment: Tensor
    right: Tensor

    @property
    def total(self) -> Tensor:
        return self.token + self.letters + self.phonemes + self.alignment

    @property
    def values(self) -> Tensor:
        """The numbers alone, in the order of the fields, where they are: to read one waits for a GPU."""
        return torch.stack([value.detach() for value in self])


def losses(
    model: PocketTrainer,
    batch: Batch,
    part: str = "all",
    features: Tensor | None = None,
    rng: np.random.Generator | None = None,
) -> Losses:
    """What is to be made small where `part` learns; the losses of what does not learn are 0.

    `features` are the batch's, where the encoder does not learn and has heard it already. With `rng` the decoder reads
    some errors of its own. Its later layers are led to the word to be written, the others to the word just written.
    """
    device = batch.mel.device
    letters = heard_phonemes = token = aligned = right = torch.zeros((), device=device)
    with faster_precision(device):
        if features is None:
            features, letter_logits, phoneme_logits = model.hear(batch.mel)
            if part != "decoder":
                letters = ctc_loss(letter_logits, batch.letters)
                heard_phonemes = ctc_loss(phoneme_logits, batch.phonemes)
        logits, tokens = token, batch.tokens
        if part != "encoder":
            if rng:
                with torch.no_grad():
                    written = model.write(tokens, features).argmax(-1)
                tokens = with_own_errors(rng, tokens, batch.targets, written)
            logits = model.write(tokens, features)
    if part != "encoder":
        known = batch.targets != IGNORE
        each = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE, reduction="none")
        token = (each * batch.weights.flatten()).sum() / (batch.weights * known).sum()
        right = ((logits.argmax(-1) == batch.targets) & known).sum() / known.sum()
        previous_s = torch.cat([torch.full_like(batch.spans_s[:, :1], -1.0), batch.spans_s[:, :-1]], dim=1)
        layers = range(DIMS.n_text_layer)
        later = layers[-max(1, len(layers) // 2) :]
        for group, spans_s in ((later, batch.spans_s), (layers[: later.start], previous_s)):
            for layer in group:
                aligned = aligned + alignment_loss(model.queries[layer], model.keys[layer], spans_s) / len(group)
    return Losses(token, letters, heard_phonemes, aligned, right)


def ctc_loss(logits: Tensor, labels: Labels) -> Tensor:
    """CTC loss a label."""
    positions = torch.full((len(logits),), logits.shape[1])
    log_probabilities = logits.log_softmax(-1).transpose(0, 1)
    loss = F.ctc_loss(log_probabilities, labels.flat, positions, labels.counts, reduction="sum", zero_infinity=True)
    return loss / max(1, int(labels.counts.sum()))
