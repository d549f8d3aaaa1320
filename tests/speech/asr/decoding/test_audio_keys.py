"""Keys and values of the audio: computed once for the same audio, and attended to wherever they are."""

import gc
from collections.abc import Mapping

import pytest
import torch
import torch.nn.functional as F
from earspan.speech.asr.decoding.audio_keys import AudioKeys
from earspan.speech.asr.hypothesis import Clip, DecodeOptions
from earspan.speech.asr.torch_engine import Engine
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

HEADS, WIDTH = 2, 8
GENERATOR = torch.Generator().manual_seed(1)
PROJECTIONS = [
    (torch.randn(2 * WIDTH, WIDTH, generator=GENERATOR), torch.randn(2 * WIDTH, generator=GENERATOR)) for _ in range(2)
]
AUDIOS = [torch.randn(length, WIDTH, generator=GENERATOR) for length in (5, 7, 5, 5, 7, 3)]


class Counted:
    """A product that notes how many positions it was given."""

    def __init__(self) -> None:
        self.positions = 0

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        self.positions += len(x)
        return F.linear(x, weight, bias)


def expected(layer: int, audio: Tensor, query: Tensor) -> Tensor:
    """Attention of one row by hand: a softmax over its own positions."""
    keys, values = F.linear(audio, *PROJECTIONS[layer]).view(len(audio), 2, HEADS, -1).permute(1, 2, 0, 3)
    weights = (query @ keys.mT / keys.shape[-1] ** 0.5).softmax(-1)
    return weights @ values


@given(st.lists(st.lists(st.integers(0, len(AUDIOS) - 1), min_size=1, max_size=8), min_size=1, max_size=5), st.data())
def test_every_row_attends_to_its_own_audio(batches: list[list[int]], data: st.DataObject):
    product = Counted()
    keys = AudioKeys(PROJECTIONS, HEADS, product)
    for batch in batches:
        before = product.positions
        places = keys.hold([AUDIOS[one] for one in batch])
        assert product.positions - before <= len(PROJECTIONS) * sum(len(AUDIOS[one]) for one in set(batch))
        rows = data.draw(st.permutations(range(len(batch))))[: data.draw(st.integers(1, len(batch)))]
        queries = torch.randn(len(rows), HEADS, 3, WIDTH // HEADS, generator=GENERATOR)
        stretches = keys.stretches([places[row] for row in rows])
        for layer in range(len(PROJECTIONS)):
            found = keys.attend(layer, queries, stretches)
            for row, query, one in zip(rows, queries, found, strict=True):
                torch.testing.assert_close(one, expected(layer, AUDIOS[batch[row]], query), rtol=1e-4, atol=1e-5)


def test_what_the_last_rows_had_is_not_computed_again():
    product = Counted()
    keys = AudioKeys(PROJECTIONS, HEADS, product)
    keys.hold([AUDIOS[0], AUDIOS[1], AUDIOS[2], AUDIOS[0]])
    assert product.positions == len(PROJECTIONS) * (5 + 7 + 5)
    places = keys.hold([AUDIOS[2], AUDIOS[3], AUDIOS[1]])  # takes the place of the first
    assert product.positions == len(PROJECTIONS) * (5 + 7 + 5 + 5)
    assert sorted(places) == [0, 1, 2]
    assert keys.hold([AUDIOS[1]]) == [places[2]]
    keys.hold([AUDIOS[0]])
    assert product.positions == len(PROJECTIONS) * (5 + 7 + 5 + 5 + 5)


def test_new_audio_in_the_memory_of_what_is_gone_is_computed():
    keys = AudioKeys(PROJECTIONS, HEADS, Counted())
    for seed in range(20):  # a new tensor is often where the last one was
        audio = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(seed))
        [place] = keys.hold([audio])
        query = torch.ones(1, HEADS, 1, WIDTH // HEADS)
        found = keys.attend(1, query, keys.stretches([place]))
        torch.testing.assert_close(found[0], expected(1, audio, query[0]), rtol=1e-4, atol=1e-5)
        del audio
        gc.collect()


@pytest.mark.parametrize("batch_bytes", [1, 1 << 30])
def test_a_part_is_projected_once_for_all_temperatures(tiny_recogniser, tones, monkeypatch, batch_bytes: int):
    projected: list[int] = []
    project = AudioKeys._project

    def counting(keys: AudioKeys, audios: Mapping[int, Tensor]) -> None:
        projected.extend(map(len, audios.values()))
        project(keys, audios)

    monkeypatch.setattr(AudioKeys, "_project", counting)
    options = DecodeOptions(temperatures=(0.0, 0.4, 0.8), max_tokens=12)
    engine = Engine(tiny_recogniser(), options, batch_bytes=batch_bytes)
    clips = [Clip(tones(seconds, 4), "as said before") for seconds in (1.0, 34.0, 5.0)]
    runs = [run for one in engine.transcribe(clips) for run in one.runs]
    encoded = sum(run.encoded for run in runs)
    assert len(runs) > encoded >= 4  # some were decoded again
    assert projected == [1500] * encoded
    engine.begin_anew()
    engine.transcribe(clips)
    assert projected == [1500] * 2 * encoded  # what is measured anew is computed anew
