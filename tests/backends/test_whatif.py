import pytest
from earspan.backends.errors import InputError
from earspan.backends.models import DIMENSIONS
from earspan.backends.registry import get_backend
from earspan.backends.whatif import MixtureWorkload, RefinedWorkload
from earspan.backends.workload import Workload

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
