from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from earspan.backends.errors import InputError
from earspan.backends.workload.models import DIMENSIONS, Dimensions
from earspan.backends.workload.op import Op
from earspan.backends.workload.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from whisper.model import ModelDimensions

from .trace import trace

UNEVEN = Dimensions(80, 1500, 192, 6, 4, 51864, 448, 192, 6, 2)  # fewer layers in the decoder than in the encoder
LARGE = DIMENSIONS["large-v3"]


@pytest.mark.parametrize("dims", {dims: name for name, dims in DIMENSIONS.items()} | {UNEVEN: "uneven"})
def test_closed_form_equals_the_trace_op_by_op_and_torchs_flops(dims):
    work = Workload(dims, decode_tokens=1)
    with FlopCounterMode(display=False) as counter:
        traced = trace(work)
    closed = list(work.each_op())
    assert len(traced) == len(closed)
    for recorded, computed in zip(traced, closed, strict=True):
        assert recorded == computed
    assert sum(op.flops for op in closed) == counter.get_total_flops()


@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
@pytest.mark.parametrize(("batch", "audio_s", "prompt", "tokens"), [(1, 0.1, 1, 0), (3, 7.317, 5, 3), (2, 0.3, 2, 1)])
def test_closed_form_equals_the_trace_for_short_audio_and_batches(dtype, batch, audio_s, prompt, tokens):
    work = Workload(UNEVEN, batch, audio_s, "fit", prompt, tokens, dtype)
    assert trace(work) == list(work.each_op())


@settings(max_examples=40, deadline=None)
@given(
    dims=st.builds(
        lambda mels, width, heads, encoder, decoder: Dimensions(
            mels, 1500, width * heads, heads, encoder, 51864, 448, width * heads, heads, decoder
        ),
        st.sampled_from([80, 128]),
        st.sampled_from([32, 64]),
        st.integers(1, 20),
        st.integers(0, 5),
        st.integers(1, 5),
    ),
    batch=st.integers(1, 9),
    audio_s=st.floats(0.01, 30),
    tokens=st.integers(0, 30),
    prompt=st.integers(1, 60),
    padding=st.sampled_from(["full", "fit"]),
    dtype=st.sampled_from(["fp16", "fp32"]),
)
def test_aggregated_sums_equal_the_enumerated_ones(dims, batch, audio_s, tokens, prompt, padding, dtype):
    work = Workload(dims, batch, audio_s, padding, prompt, tokens, dtype)

    def sums(ops):
        totals = {}
        for op in ops:
            total = totals.setdefault((op.phase, op.kind), Counter())
            total += Counter()  # keeps the entry even when every figure is zero
            for figure in ("flops", "weight_bytes", "read_bytes", "write_bytes"):
                total[figure] += getattr(op, figure) * op.count
            total["count"] += op.count
        return totals

    assert sums(work.ops()) == sums(work.each_op())


def test_aggregated_list_does_not_grow_with_layers_or_steps():
    assert len(Workload(LARGE, decode_tokens=400).ops()) == len(Workload(UNEVEN, decode_tokens=1).ops())


def test_one_matmul_by_hand():
    # first feed-forward matmul of tiny's encoder: 1500 x 384 times 384 x 1536 with bias, in fp16
    op = Op(
        kind="matmul",
        phase="encode",
        shape=(1500, 1536, 384),
        dtype="fp16",
        flops=1_769_472_000,
        weight_bytes=1_182_720,
        read_bytes=1_152_000,
        write_bytes=4_608_000,
        count=4,
    )
    assert op in Workload(DIMENSIONS["tiny"]).ops()


def test_attention_over_the_cache_by_hand():
    # tiny.en, 2 prompt tokens, 3 steps: 3, 4 and 5 keys, 4 on average; q and out 384, k and v 4 * 384 each
    work = Workload(DIMENSIONS["tiny.en"], decode_tokens=3)
    cached = [op for op in work.ops() if (op.kind, op.phase) == ("attention", "decode")]
    assert cached[0].shape == (1, 6, 1, 4, 64)
    assert (cached[0].flops, cached[0].read_bytes, cached[0].write_bytes) == (
        4 * 4 * 384,
        2 * 9 * 384,
        2 * 384,
    )
    assert cached[0].count == cached[1].count == 3 * 4
    assert cached[1].shape == (1, 6, 1, 1500, 64)


def test_logits_of_all_prompt_positions_and_their_fp32_copy():
    ops = [op for op in Workload(LARGE).ops() if op.phase == "prefill"]
    assert (ops[-2].kind, ops[-2].shape) == ("logits", (4, 51866, 1280))
    assert (ops[-1].kind, ops[-1].shape, ops[-1].dtype) == ("cast", (1, 4, 51866), "fp32")


def test_encoder_flops_match_the_facts():
    encode = sum(op.flops * op.count for op in Workload(LARGE).ops() if op.phase == "encode")
    assert encode == pytest.approx(2.27e12, rel=0.01)


def test_sizes_in_memory():
    work = Workload(LARGE, decode_tokens=100)
    assert work.weights_bytes == pytest.approx(2 * LARGE.parameters, rel=1e-3)
    # cross-attention keys and values of large-v3: 246 MB per stream; self: 104 tokens
    assert work.kv_bytes == 2 * 32 * (1500 + 104) * 1280 * 2
    assert replace(work, weight_dtype="int8").weights_bytes == pytest.approx(LARGE.parameters, rel=1e-3)


def test_int8_weights_change_only_the_weight_bytes():
    work = Workload(UNEVEN, decode_tokens=2)
    for half, byte in zip(work.ops(), replace(work, weight_dtype="int8").ops(), strict=True):
        assert byte.weights in ("", "int8")
        assert replace(byte, weight_bytes=half.weight_bytes, weights="") == half
        same = half.kind in ("layer_norm",) or half.phase == "mel"
        assert byte.weight_bytes == (half.weight_bytes if same else half.weight_bytes / 2)


@pytest.mark.parametrize(("audio_s", "positions"), [(0.01, 1), (0.02, 1), (0.3, 15), (10.0, 500), (29.999, 1500)])
def test_fit_encodes_fifty_positions_per_second(audio_s, positions):
    assert Workload(UNEVEN, audio_s=audio_s, padding="fit").positions == positions
    assert Workload(UNEVEN, audio_s=audio_s).positions == 1500


@pytest.mark.parametrize(
    "bad",
    [
        {"batch": 0},
        {"audio_s": 0.0},
        {"audio_s": 30.5},
        {"audio_s": float("nan")},
        {"padding": "some"},
        {"dtype": "bf8"},
        {"weight_dtype": "int3"},
        {"decode_tokens": -1},
        {"decode_tokens": 445},
    ],
)
def test_impossible_workloads_are_refused(bad):
    with pytest.raises(InputError, match="expected"):
        Workload(DIMENSIONS["tiny"], **bad)


def test_whispers_own_dimensions_are_taken():
    dims: Any = ModelDimensions(**UNEVEN.to_dict())
    assert Workload(dims) == Workload(UNEVEN)


@pytest.mark.parametrize("fed", [2, 17])
def test_closed_form_equals_the_trace_where_steps_check_a_draft(fed: int):
    work = Workload(UNEVEN, 2, 3.0, "fit", 9, 4, pass_tokens=fed)
    assert trace(work) == list(work.each_op())
    assert sum(op.flops * op.count for op in work.ops()) == sum(op.flops for op in work.each_op())
