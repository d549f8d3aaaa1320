from itertools import pairwise

import pytest
from earspan.backends.errors import InputError
from earspan.backends.hybrid.part import Part
from earspan.backends.registry import get_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.whatif import Decoder, MixtureWorkload, RefinedWorkload, picks, read_decoder
from earspan.backends.workload.workload import Workload
from hypothesis import given
from hypothesis import strategies as st

TURBO = DIMENSIONS["turbo"]
BACKENDS = ["h100", "groq-v1x32", "lp30x8"]


def flops(work, phase):
    return sum(op.count * op.flops for op in work.ops() if op.phase == phase)


def test_all_experts_active_do_the_work_of_as_many_mlps():
    plain, mixed = Workload(TURBO, decode_tokens=20), MixtureWorkload(TURBO, decode_tokens=20, experts=4, active=4)
    d, layers = 1280, 4
    # 3 more MLPs of 2 x 4 d^2 multiply-adds, and a router to 4 experts, per layer and token
    more = layers * 20 * 2 * (3 * 8 * d * d + 4 * d)
    assert flops(mixed, "decode") - flops(plain, "decode") == pytest.approx(more)
    assert flops(mixed, "encode") == flops(plain, "encode")


def test_tokens_touch_few_experts_and_all_are_held():
    one, many = (MixtureWorkload(TURBO, batch=batch, decode_tokens=5, experts=8, active=2) for batch in (1, 64))

    def touched(work):
        expert = next(op for op in work.decode_ops() if op.kind == "matmul" and len(op.shape) == 4)
        return expert.shape[0]

    assert touched(one) == pytest.approx(2)
    assert touched(many) == pytest.approx(8, rel=1e-3)
    mlp_bytes = (8 * 1280**2 + 5 * 1280) * 2
    assert one.weights_bytes - Workload(TURBO).weights_bytes == 4 * (7 * mlp_bytes + 8 * 1280 * 2)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_batch_costs_a_mixture_more_than_a_plain_decoder(name):
    backend = get_backend(name)

    def growth(kind):
        one, many = (backend.time(kind(TURBO, batch=batch, decode_tokens=9)).phases["decode"] for batch in (1, 8))
        return many - one

    assert growth(MixtureWorkload) > growth(Workload) > 0


@pytest.mark.parametrize("name", BACKENDS)
def test_refining_takes_time_by_passes_not_by_tokens(name):
    backend = get_backend(name)

    def decode_s(tokens, passes):
        return backend.time(RefinedWorkload(TURBO, decode_tokens=passes, text_tokens=tokens)).phases["decode"]

    assert decode_s(100, 8) == pytest.approx(4 * decode_s(100, 2), rel=0.05)
    assert decode_s(100, 8) < backend.time(Workload(TURBO, decode_tokens=100)).phases["decode"]
    assert decode_s(100, 8) < 2.5 * decode_s(50, 8)


def test_work_of_a_pass_by_hand():
    # one pass over 50 tokens does the multiply-adds of a prefill of 50, without the keys and values of the audio
    whole = flops(Workload(TURBO, prompt_tokens=50), "prefill")
    audio = 4 * 2 * 2 * 1500 * 1280 * 1280
    assert flops(RefinedWorkload(TURBO, decode_tokens=3, text_tokens=50), "decode") == pytest.approx(
        3 * (whole - audio)
    )


def test_impossible_decoders_are_refused():
    with pytest.raises(InputError, match="3 of 2 experts"):
        MixtureWorkload(TURBO, experts=2, active=3)
    with pytest.raises(InputError, match="0 text tokens"):
        RefinedWorkload(TURBO, text_tokens=0)


@pytest.mark.parametrize(("name", "batch"), [("h100", 1), ("h100", 8), ("h100", 64), ("groq-v1x32", 1), ("lp30x8", 8)])
def test_fewer_active_experts_never_cost_more(name, batch):
    """However many tokens: no more experts are read than there are."""
    few, all_of_them = (
        get_backend(name).time(MixtureWorkload(TURBO, batch=batch, decode_tokens=9, experts=8, active=active))
        for active in (2, 8)
    )
    assert few.phases["decode"] <= all_of_them.phases["decode"]


@given(st.integers(1, 64), st.integers(1, 64), st.floats(0, 4))
def test_a_token_picks_as_many_experts_as_are_active_and_none_twice(experts, active, skew):
    active = min(active, experts)
    chances = picks(experts, active, skew)
    assert sum(chances) == pytest.approx(active)
    assert all(0 <= later <= earlier + 1e-12 <= 1 + 2e-12 for earlier, later in pairwise(chances))


def test_skewed_routing_by_hand():
    # weights 1, 1/2, 1/3, 1/4 of 25/12; one active: chances 0.48, 0.24, 0.16, 0.12
    assert picks(4, 1, 1.0) == pytest.approx((0.48, 0.24, 0.16, 0.12))
    work = MixtureWorkload(TURBO, batch=2, decode_tokens=1, experts=4, active=1, skew=1.0)

    def expert(work):
        return next(op for op in work.decode_ops() if op.kind == "matmul" and len(op.shape) == 4).shape[:2]

    touched = sum(1 - (1 - chance) ** 2 for chance in (0.48, 0.24, 0.16, 0.12))
    assert expert(work) == pytest.approx((touched, 2 / touched))
    # on a schedule: two experts for two tokens; at 16 tokens all four, each with room for 0.48 of them
    assert expert(work.for_schedule()) == pytest.approx((2, 1))
    many = MixtureWorkload(TURBO, batch=16, decode_tokens=1, experts=4, active=1, skew=1.0)
    assert expert(many.for_schedule()) == pytest.approx((4, 7.68))


@pytest.mark.parametrize("batch", [1, 8, 16])
def test_a_schedule_leaves_bubbles_for_experts_that_are_less_popular(batch):
    """A skewed router asks a GPU for fewer experts; a static schedule has to keep room for the popular ones."""
    even, skewed = (
        MixtureWorkload(TURBO, batch=batch, decode_tokens=9, experts=16, active=2, skew=skew) for skew in (0.0, 1.5)
    )
    gpu, lpu = get_backend("h100"), get_backend("groq-v1x72")
    assert gpu.time(skewed).phases["decode"] <= gpu.time(even).phases["decode"] * (1 + 1e-9)
    assert lpu.time(skewed).phases["decode"] >= lpu.time(even).phases["decode"]
    for backend in (gpu, lpu):
        assert backend.time(skewed).seconds >= backend.time(skewed).ceiling_s


def test_key_tokens_are_steps_and_the_rest_are_passes():
    # of 99 tokens 10 come one by one, the other 89 in three blocks of 32, each gone over 8 times
    work = read_decoder("diffusion:steps=8,block=32,first=0.1").of(Workload(TURBO, decode_tokens=99))
    assert isinstance(work, RefinedWorkload)
    assert (work.key_tokens, work.decode_tokens, work.text_tokens) == (10, 10 + 3 * 8, 32)
    steps = Workload(TURBO, decode_tokens=10)
    passes = RefinedWorkload(TURBO, decode_tokens=24, text_tokens=32, kept_tokens=work.kept_tokens)
    assert flops(work, "decode") == pytest.approx(flops(steps, "decode") + flops(passes, "decode"))
    assert sum(times for _, times in work.key_runs(160)) == 34


@pytest.mark.parametrize("name", ["h100", "groq-v1x32", "h100+groq-v1x32"])
def test_more_passes_or_shorter_blocks_never_cost_less(name):
    backend, call = get_backend(name), Workload(TURBO, decode_tokens=99)

    def seconds(text):
        return backend.time(read_decoder(text).of(call)).seconds

    assert seconds("diffusion:steps=4,block=32") < seconds("diffusion:steps=8,block=32")
    assert seconds("diffusion:steps=4,block=32") < seconds("diffusion:steps=4,block=8")
    assert seconds("diffusion:steps=4,block=32") < seconds("diffusion:steps=4,block=32,first=0.5")


@pytest.mark.parametrize("text", ["moe:experts=8,active=2,skew=1", "diffusion:steps=4,block=16,first=0.2"])
def test_the_parts_of_a_hybrid_are_those_of_the_same_decoder(text):
    work = read_decoder(text).of(Workload(TURBO, decode_tokens=20))
    parts = Part.of(work, "encode"), Part.of(work, "prefill"), Part.of(work, "attend"), Part.of(work, "project")
    assert sum(flops(part, "decode") for part in parts) == pytest.approx(flops(work, "decode"))
    hybrid = get_backend("h100+groq-v1x32")
    assert hybrid.time(work).phases["decode"] != hybrid.time(Workload(TURBO, decode_tokens=20)).phases["decode"]


def test_a_decoder_reads_as_it_is_typed():
    assert read_decoder("moe") == Decoder("moe")
    assert read_decoder("moe:experts=16,active=4,skew=0.5") == Decoder("moe", experts=16, active=4, skew=0.5)
    for text, told in (
        ("mo", "moe"),
        ("moe:expert=2", "experts"),
        ("moe:experts=two", "number"),
        ("moe:experts=2,active=3", "active <= experts"),
        ("diffusion:first=1", "less than 1"),
    ):
        with pytest.raises(InputError, match=told):
            read_decoder(text)
