"""Claims 3 and 13: how many times real time LPUs transcribe, and which kinds of operations take a call's time."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...backends.lpu.lpu import Lpu
from ...backends.registry import get_backend
from ...backends.timing import Backend
from ...backends.validation.served import service_checks
from ...backends.workload.models import DIMENSIONS
from ...backends.workload.op import LONGEST_S, Op
from ...backends.workload.workload import Workload
from ..capacity.claims import Variation
from .ground import AS_MODELLED, Ground, judge, put_off, time_or_none
from .records import Case, Evidence, Figure

HUNDREDS = 200.0  # times real time: "hundreds" is at least two of them
TOKENS = 99  # of a window of 30 s of speech
MODELS = ("large-v3", "turbo", "tiny.en")
OTHER_LPUS = ("lp30x16",)
PART = 0.5  # of the time of a call: what "come down to" is read as; the rest is launches, host and elementwise work
TWICE = 2.0


def check_factor(ground: Ground) -> Evidence:
    """Claim 3: is one window of 30 s, alone on the chips, done 200 times as fast as it is spoken?"""
    cases: list[Case] = []
    for lpu in (ground.lpu, *map(get_backend, OTHER_LPUS)):
        for model in MODELS:
            cases.append(_time_alone(ground, lpu, model))
    for lpu in (ground.lpu,) if isinstance(ground.lpu, Lpu) else ():
        for check in service_checks(lpu.device):
            figures = Figure("published", check.published, "x"), Figure("predicted", check.predicted, "x")
            name = check.name.partition(",")[0]
            where = f"{name} as published, network and queue included, {check.published:g} x"
            cases.append(Case(where, check.published >= HUNDREDS, figures, basis="published"))
    return Evidence(
        f"Seconds of audio for each second, one window of 30 s with {TOKENS} tokens alone on the device; the claim "
        f"holds from {HUNDREDS:g} x on. Beside it what GroqCloud's documentation publishes.",
        tuple(cases),
        ("published factors are of Groq's documentation, speech to text, and its pricing page (secondary)",),
    )


def _time_alone(ground: Ground, lpu: Backend, model: str) -> Case:
    work = Workload(DIMENSIONS[model], decode_tokens=TOKENS)

    def factor(backend: Backend, variation: Variation = AS_MODELLED) -> float | None:
        timing = time_or_none(put_off(backend, variation), work)
        return timing and LONGEST_S / timing.seconds

    figures = (Figure(lpu.name, factor(lpu), "x"), Figure(f"{ground.gpu.name} beside it", factor(ground.gpu), "x"))
    return judge(f"{model} on {lpu.name}", lambda one: (factor(lpu, one) or 0) >= HUNDREDS, figures)


KINDS = {
    "convolution": ("conv1d",),
    "attention": ("attention",),
    "products with weights": ("matmul", "logits"),
}
PRODUCTS = tuple(kind for kinds in KINDS.values() for kind in kinds)


@dataclass(frozen=True, slots=True)
class Without(Workload):
    """A call without its operations of some kinds: what a device would take that does these in no time."""

    kinds: tuple[str, ...] = ()

    @property
    def affine(self) -> bool:
        """False: its operations are listed anew each time."""
        return False

    @classmethod
    def of(cls, work: Workload, *kinds: str) -> "Without":
        """Return `work` without operations of these kinds."""
        return cls(**{name: getattr(work, name) for name in Workload.__slots__}, kinds=kinds)

    def ops(self) -> tuple[Op, ...]:
        """Return the operations that are left."""
        return self._keep(_whole(self).ops())

    def decode_ops(self) -> tuple[Op, ...]:
        """Return those of all decode steps."""
        return self._keep(_whole(self).decode_ops())

    def step_ops(self, keys: int) -> tuple[Op, ...]:
        """Return those of one decode step."""
        return self._keep(_whole(self).step_ops(keys))

    def _keep(self, ops: Iterable[Op]) -> tuple[Op, ...]:
        return tuple(op for op in ops if op.kind not in self.kinds)


def _whole(work: Workload) -> Workload:
    return Workload(**{name: getattr(work, name) for name in Workload.__slots__})


def check_kinds(ground: Ground) -> Evidence:
    """Claim 13: how much of a call is products of matrices, and what could a chip for one kind gain?"""
    cases = [case for backend in (ground.gpu, ground.lpu) for case in _split_by_kind(ground, backend)]
    return Evidence(
        f"The time of a call with and without each kind of operation. Convolution, attention and products with weights "
        f"come down to one thing if they are more than {PART:.0%} of the time together; a chip that is specialised in "
        f"one of them cannot pay if doing it in no time makes a call less than {TWICE:g} times as fast (Amdahl).",
        tuple(cases),
        ("a window of 10 s, one call alone, everything that is not left out as it was",),
        "any specialised chip: none is modelled, only the most that one could gain",
    )


def _split_by_kind(ground: Ground, backend: Backend) -> list[Case]:
    work = Workload(ground.dims, decode_tokens=33)

    def part(kinds: tuple[str, ...], variation: Variation = AS_MODELLED) -> float:
        put = put_off(backend, variation)
        return 1 - put.time(Without.of(work, *kinds)).seconds / put.time(work).seconds

    figures = [Figure(name, 100 * part(kinds), "%") for name, kinds in KINDS.items()]
    share = Figure("of the time in all three", 100 * part(PRODUCTS), "%")
    where = f"{backend.name}: convolution, attention and products are over {PART:.0%} of the time"
    cases = [judge(where, lambda one: part(PRODUCTS, one) > PART, [share, *figures])]
    for name, kinds in KINDS.items():
        gained = Figure(f"times as fast without {name}", 1 / max(1 - part(kinds), 1e-9), "x")
        where = f"{backend.name}: a chip for {name} alone does not double the speed"
        cases.append(judge(where, lambda one, kinds=kinds: part(kinds, one) < 1 - 1 / TWICE, [gained]))
    return cases
