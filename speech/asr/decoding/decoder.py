"""Whisper's text decoder over preallocated caches: any number of new tokens for each row in one pass.

The weights are those of openai-whisper's modules, the arithmetic is theirs (whisper.model), the layout is not: new
tokens of all rows are packed, so that no matrix product sees padding; keys and values are written in place, head by
head, as attention reads them; those of the audio are computed once; and logits are computed only where asked for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import MultiHeadAttention, ResidualAttentionBlock, Whisper

from ..encoder import Product, fuse, linear_of, pack_for_few, product_for, projections
from .audio_keys import AudioKeys, Linear

Sides = tuple[int, Sequence[Sequence[int]]]  # after how many of a row's new tokens they begin; continuations

# below, oneDNN's product with plain weights takes half the time of MKL's, from here on up to twice as long (tiny.en and
# base, two cores: 3 and 7 ms for all blocks at 12 rows, MKL's 6 and 14; at 16 rows 8 and 27, MKL's 6 and 14)
_FEW_ROWS = 16
_Norm = tuple[tuple[int, ...], Tensor, Tensor, float]  # shape, weight, bias and epsilon


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """The weights of a block. With few rows, to call a module takes longer than its arithmetic."""

    own_norm: _Norm
    own: Linear  # of queries, keys and values
    own_out: Linear
    audio_norm: _Norm
    audio_query: Linear
    audio: Linear  # of keys and values
    audio_out: Linear
    mlp_norm: _Norm
    mlp_in: Linear
    mlp_out: Linear

    @classmethod
    def of(cls, block: ResidualAttentionBlock) -> "_Layer":
        norm, attention = cross_attention(block)
        own = fuse(*projections(block.attn))
        return cls(
            _norm(block.attn_ln), own, linear_of(block.attn.out),
            _norm(norm), linear_of(attention.query), fuse(attention.key, attention.value), linear_of(attention.out),
            _norm(block.mlp_ln), linear_of(block.mlp[0]), linear_of(block.mlp[2]),
        )  # fmt: skip


def _norm(layer: nn.LayerNorm) -> _Norm:
    return layer.normalized_shape, layer.weight, layer.bias, layer.eps


def _normed(x: Tensor, norm: _Norm) -> Tensor:
    """Return `x` normed as by openai-whisper's `LayerNorm`: in fp32, whatever the precision of `x`."""
    return F.layer_norm(x.float(), *norm).to(x.dtype)


class Decoder:
    """The decoder of one model. `begin` starts rows, `DecoderRows.advance` feeds them tokens."""

    def __init__(self, model: Whisper) -> None:
        self.module = model.decoder
        self.dims = model.dims
        self._layers = [_Layer.of(block) for block in model.decoder.blocks]
        table = self.module.token_embedding.weight
        self._product, self._scored = product_for(table), pack_for_few(table)
        self._audio: AudioKeys | None = None  # of rows that are done

    def begin(self, features: Sequence[Tensor], capacity: int) -> "DecoderRows":
        """Return rows without tokens.

        features: the encoder's output of each row, shape = (positions, state); keys and values of the tensors that the
        last rows began with are still there.
        capacity: how many tokens a row may come to hold.
        """
        audio, self._audio = self._audio, None  # for these rows alone, until they are done
        if audio is None:
            audio = AudioKeys([layer.audio for layer in self._layers], self.dims.n_text_head, self._product)
        return DecoderRows(self, audio, features, capacity)

    def take_back(self, audio: AudioKeys) -> None:
        """Keep the keys and values of rows that are done, for the next ones."""
        self._audio = audio

    def forget(self) -> None:
        """Let go of the keys and values of rows that are done."""
        self._audio = None

    def logits(self, states: Tensor) -> Tensor:
        """Return the logits of each token after given states, shape = (places, vocabulary), in fp32."""
        return self._scored(states).float()

    def product(self, rows: int) -> Product:
        """Return the fastest product of so many rows with a layer's weights."""
        return self._product if rows < _FEW_ROWS else F.linear

    def bytes_per_row(self, positions: int, capacity: int) -> int:
        """Return the bytes of one row's keys and values."""
        item = self.module.token_embedding.weight.element_size()
        return 2 * self.dims.n_text_layer * (positions + capacity) * self.dims.n_text_state * item


class DecoderRows:
    """Texts that are being decoded together. `lengths`: tokens that each row holds."""

    def __init__(self, decoder: Decoder, audio: AudioKeys, features: Sequence[Tensor], capacity: int) -> None:
        self._decoder, self._heads = decoder, decoder.dims.n_text_head
        width, layers, rows = decoder.dims.n_text_state, decoder.dims.n_text_layer, len(features)
        # zeros: what is masked must still be finite
        self._own = _zeros(features[0], (layers, 2, rows, self._heads, capacity, width // self._heads))
        self.lengths = [0] * rows
        self._audio, self._places = audio, audio.hold(features)
        self._stretches = audio.stretches(self._places)

    def __len__(self) -> int:
        return len(self.lengths)

    def advance(self, fed: Sequence[Sequence[int]], sides: Sequence[Sides] | None = None) -> Tensor:
        """Append the tokens `fed` to each row; the state after each of them, row by row, shape = (tokens, state).

        sides: for each row, other continuations of its first new tokens, that do not see each other. They follow the
        row's `fed`, in the states too, until `settle` says which of them the row goes on with.
        """
        decoder = self._decoder
        place, own_mask = self._placed(fed, sides)
        module, state = decoder.module, decoder.dims.n_text_state
        sizes = [state, 2 * state]
        x = module.token_embedding(place.tokens) + module.positional_embedding[place.positions].to(self._own.dtype)
        product = decoder.product(len(place.tokens))
        for number, (layer, own) in enumerate(zip(decoder._layers, self._own, strict=True)):
            query, key_value = product(_normed(x, layer.own_norm), *layer.own).split_with_sizes(sizes, -1)
            place.write(key_value.unflatten(-1, (2, self._heads, -1)), own)
            keys, values = own[..., : place.keys, :]
            attended = F.scaled_dot_product_attention(self._by_head(query, place), keys, values, attn_mask=own_mask)
            x = x + product(_packed(attended, place), *layer.own_out)
            query = self._by_head(product(_normed(x, layer.audio_norm), *layer.audio_query), place)
            x = x + product(_packed(self._audio.attend(number, query, self._stretches), place), *layer.audio_out)
            x = x + product(F.gelu(product(_normed(x, layer.mlp_norm), *layer.mlp_in)), *layer.mlp_out)
        self.lengths = [length + count for length, count in zip(self.lengths, place.counts, strict=True)]
        return module.ln(x)

    def _placed(
        self, fed: Sequence[Sequence[int]], sides: Sequence[Sides] | None
    ) -> tuple["_InStep | _Packed", Tensor | None]:
        """Return where new tokens belong, and which keys each of them sees: None where all see all."""
        device, longest = self._own.device, max(self.lengths)
        if not sides and min(self.lengths) == longest and all(len(new) == 1 for new in fed):
            return _InStep(torch.tensor([new[0] for new in fed], device=device), longest), None
        beside: Sequence[Sides] = sides or [(0, ())] * len(fed)
        news = [_new(length, *given) for length, given in zip(self.lengths, zip(fed, beside, strict=True), strict=True)]
        counts = [len(new) for new in news]
        row = torch.tensor([row for row, count in enumerate(counts) for _ in range(count)], device=device)
        within = torch.tensor([n for count in counts for n in range(count)], device=device)
        tokens, positions, slot, *seen = torch.tensor([token for new in news for token in new], device=device).T
        keys = max(length + count for length, count in zip(self.lengths, counts, strict=True))
        place = _Packed(tokens, positions, row, within, slot, counts, keys)
        return place, self._own_mask(place, seen)

    def settle(self, row: int, new: int, known: int, start: int, accepted: int) -> None:
        """Keep of the last `new` tokens of a row the first `known`, and `accepted` of those from number `start` on."""
        before = self.lengths[row] - new
        if accepted and start != known:
            chosen = self._own[:, :, row, :, before + start : before + start + accepted].clone()
            self._own[:, :, row, :, before + known : before + known + accepted] = chosen
        self.lengths[row] = before + known + accepted

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Let all other rows go. Row `i` from now on is the one that was row `keep(...)[i]` before."""
        kept = set(rows)
        spare = [row for row in rows if row >= len(kept)]
        # the gaps are filled from the end: one copy for each row that goes, at most
        order = [row if row in kept else spare.pop() for row in range(len(kept))]
        for row, source in enumerate(order):
            if row != source:
                self._move(row, source)
        self._narrow(order)
        return order

    def select(self, rows: Sequence[int]) -> None:
        """Make row `i` what row `rows[i]` was, for beams of the same audio: only their own tokens are moved."""
        longest = max(self.lengths)
        self._own[:, :, : len(rows), :, :longest] = self._own[:, :, list(rows), :, :longest]
        self.lengths = [self.lengths[row] for row in rows]

    def _move(self, row: int, source: int) -> None:
        length = self.lengths[source]
        self._own[:, :, row, :, :length] = self._own[:, :, source, :, :length]

    def _narrow(self, order: list[int]) -> None:
        self._own = self._own[:, :, : len(order)]
        self.lengths = [self.lengths[row] for row in order]
        self._places = [self._places[row] for row in order]
        self._stretches = self._audio.stretches(self._places)
        if not order:
            self._decoder.take_back(self._audio)

    def _own_mask(self, place: "_Packed", seen: Sequence[Tensor]) -> Tensor:
        """Return which keys each query sees."""
        key = torch.arange(place.keys, device=self._own.device)
        shared, first, last = (place.unpack(column[:, None]) for column in (*seen, place.slot))
        return self._added(((key < shared) | (key >= first) & (key <= last))[:, None])

    def _added(self, seen: Tensor) -> Tensor:
        """Return a mask as what is added to scores: made once, where attention would make it in every layer."""
        return torch.zeros_like(seen, dtype=self._own.dtype).masked_fill_(~seen, -torch.inf)

    def _by_head(self, query: Tensor, place: "_InStep | _Packed") -> Tensor:
        """Return packed queries, shape = (tokens, state), by row and head: shape = (rows, heads, most tokens, -1)."""
        return place.unpack(query).unflatten(-1, (self._heads, -1)).transpose(1, 2)


def _packed(attended: Tensor, place: "_InStep | _Packed") -> Tensor:
    """Return what `DecoderRows._by_head` has taken apart, packed again."""
    return place.pack(attended.transpose(1, 2).flatten(2))


def _zeros(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Zeros of the type of `like`. On a CPU, pages take memory only once they are written; PyTorch writes them all."""
    if like.device.type != "cpu":
        return like.new_zeros(shape)
    return torch.from_numpy(np.zeros(math.prod(shape) * like.element_size(), np.uint8)).view(like.dtype).view(shape)


def _new(length: int, fed: Sequence[int], sides: "Sides") -> list[tuple[int, int, int, int, int]]:
    """Return the new tokens of a row that holds `length`: token, position, place in the caches, and what it sees.

    These are those before the fourth figure, and from the fifth to its own.
    """
    known, branches = sides
    new = [(token, length + n, length + n, 0, 0) for n, token in enumerate(fed)]
    for branch in branches:
        first = length + len(new)
        new += [(token, length + known + n, first + n, length + known, first) for n, token in enumerate(branch)]
    return new


@dataclass(frozen=True, slots=True, eq=False)
class _InStep:
    """One new token for each row, at the same position of all: what decoding without drafts mostly is, and cheaper."""

    tokens: Tensor
    positions: int

    @property
    def keys(self) -> int:
        return self.positions + 1

    @property
    def counts(self) -> list[int]:
        return [1] * len(self.tokens)

    def write(self, packed: Tensor, cache: Tensor) -> None:
        cache[..., self.positions, :] = packed.transpose(0, 1)

    def unpack(self, packed: Tensor) -> Tensor:
        return packed[:, None]

    def pack(self, padded: Tensor) -> Tensor:
        return padded[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class _Packed:
    """Packed new tokens, their positions, row, place among the row's new ones, and place in the row's caches.

    `counts`: new tokens of each row; `keys`: the most that a row holds with them.
    """

    tokens: Tensor
    positions: Tensor
    row: Tensor
    within: Tensor
    slot: Tensor
    counts: list[int]
    keys: int

    def write(self, packed: Tensor, cache: Tensor) -> None:
        """Put keys and values, shape = (tokens, 2, heads, -1), into a `cache`, shape = (2, rows, heads, slots, -1)."""
        cache[:, self.row, :, self.slot] = packed

    def unpack(self, packed: Tensor) -> Tensor:
        """Return tokens, shape = (tokens, state), by row.

        Shape = (rows, most tokens, state), zeros where one has fewer.
        """
        rows, longest = len(self.counts), max(self.counts)
        if len(packed) == rows * longest:
            return packed.view(rows, longest, -1)
        padded = packed.new_zeros(rows, longest, packed.shape[-1])
        padded[self.row, self.within] = packed
        return padded

    def pack(self, padded: Tensor) -> Tensor:
        """Return tokens, shape = (rows, most tokens, state), packed: the inverse of `unpack`."""
        if len(self.row) == padded.shape[0] * padded.shape[1]:
            return padded.flatten(0, 1)
        return padded[self.row, self.within]


def cross_attention(block: ResidualAttentionBlock) -> tuple[nn.LayerNorm, MultiHeadAttention]:
    """Return the attention to the audio of a decoder's block, and the norm before it."""
    if block.cross_attn is None or block.cross_attn_ln is None:
        raise TypeError("a block of an encoder given; expected one of a decoder")
    return block.cross_attn_ln, block.cross_attn
