"""Keys and values of the audio that texts attend to, computed once for all texts that are decoded of it.

A part that is decoded again at a higher temperature finds them where they were. They lie head by head, as attention
reads them, and stay where they are when a row leaves: rows whose places follow each other are read together, others
apart, which takes a CPU no longer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import ref

import torch
import torch.nn.functional as F
from torch import Tensor

from ..encoder import Product

Linear = tuple[Tensor, Tensor]  # weight and bias

_PROJECTED_TOGETHER = 4096  # positions of audio: 42 MB at a width of 1280


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows that are read together: `count` of them from `row` on, whose audio is at `place` and those after it."""

    row: int
    place: int
    count: int
    positions: int


class AudioKeys:
    """Keys and values, each audio's at a place of its own; the latest are kept until others need the room.

    projections: weights and biases of each layer, to keys and values together.
    heads: of each layer.
    product: what multiplies with the weights.
    """

    def __init__(self, projections: Sequence[Linear], heads: int, product: Product) -> None:
        self._projections, self._heads, self._product = projections, heads, product
        self._held = torch.empty(0, 2, 0, heads, 0, 0)  # shape = (layers, 2, places, heads, positions, -1)
        self._whose: dict[int, ref[Tensor]] = {}  # place: the encoder's output, as long as anybody has it
        self._lengths: dict[int, int] = {}  # place: positions

    def hold(self, features: Sequence[Tensor]) -> list[int]:
        """Return the place of each row's audio, where its keys and values are from now on.

        features: the encoder's output of each row, shape = (positions, state); the same tensor is computed once.
        """
        audios = {id(audio): audio for audio in features}
        self._make_room(audios)
        held = [(id(whose()), place) for place, whose in self._whose.items()]
        places = {name: place for name, place in held if name in audios}
        free = iter(sorted(set(range(self._held.shape[2])) - set(places.values())))
        new = {next(free): audio for name, audio in audios.items() if name not in places}
        for part in _parts(new):
            self._project({place: new[place] for place in part})
        places |= {id(audio): place for place, audio in new.items()}
        return [places[id(audio)] for audio in features]

    def stretches(self, places: Sequence[int]) -> list[Stretch]:
        """Return which rows are read together, given the places of their audio."""
        found: list[Stretch] = []
        for row, place in enumerate(places):
            last, positions = found[-1] if found else None, self._lengths[place]
            if last and (place, positions) == (last.place + last.count, last.positions):
                found[-1] = Stretch(last.row, last.place, last.count + 1, positions)
            else:
                found.append(Stretch(row, place, 1, positions))
        return found

    def attend(self, layer: int, queries: Tensor, stretches: Sequence[Stretch]) -> Tensor:
        """Return attention of each row's queries, shape = (rows, heads, queries, -1), to its audio."""
        attended = []
        for one in stretches:
            keys, values = self._held[layer, :, one.place : one.place + one.count, :, : one.positions]
            attended.append(F.scaled_dot_product_attention(queries[one.row : one.row + one.count], keys, values))
        return torch.cat(attended) if len(attended) > 1 else attended[0]

    def _make_room(self, audios: Mapping[int, Tensor]) -> None:
        """Let all go where there are too few places, or too small ones."""
        longest, first = max(map(len, audios.values())), next(iter(audios.values()))
        _, _, places, _, positions, _ = self._held.shape
        if places < len(audios) or positions < longest:
            self._whose, self._held = {}, self._held[:0]  # before there are two of them
            size = first.shape[-1] // self._heads
            self._held = first.new_empty(len(self._projections), 2, len(audios), self._heads, longest, size)

    def _project(self, audios: Mapping[int, Tensor]) -> None:
        """Compute what belongs at each place, in one product for each layer."""
        lengths = {place: len(audio) for place, audio in audios.items()}
        together = torch.cat(list(audios.values()))
        for layer, weights in enumerate(self._projections):
            projected = self._product(together, *weights).unflatten(-1, (2, self._heads, -1))
            for (place, length), one in zip(lengths.items(), projected.split(list(lengths.values())), strict=True):
                self._held[layer, :, place, :, :length] = one.permute(1, 2, 0, 3)
        self._lengths |= lengths
        self._whose |= {place: ref(audio) for place, audio in audios.items()}


def _parts(audios: Mapping[int, Tensor]) -> list[list[int]]:
    """Return the places in parts of not many more than `_PROJECTED_TOGETHER` positions, at least one each."""
    parts: list[list[int]] = []
    room = 0
    for place, audio in audios.items():
        if room < len(audio):
            parts.append([])
            room = _PROJECTED_TOGETHER
        parts[-1].append(place)
        room -= len(audio)
    return parts
