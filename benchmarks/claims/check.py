"""All sixteen claims: in our own words, with the function that checks each and the commands that go on from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...backends.errors import InputError
from ..experiment.progress import Progress, Silence
from .decoders import check_diffusion, check_mixture, check_routing
from .demand import check_agents, check_demand
from .ground import LPU_PRICE, Ground
from .hearing import check_speed, check_window
from .prices import check_frontier, check_prefill, check_realtime, check_tiers
from .queues import check_batches, check_jitter
from .records import NOT_TESTABLE, Evidence, Finding, conclude
from .speeds import check_factor, check_kinds
from .splits import check_split

_SMALL = "--strategies sliding --latencies 0.3,1,4 --windows 10 --loads 6x1"
_SERVE = f"earspan capacity --price {LPU_PRICE} --backends h100,groq-v1x16,h100+groq-v1x16 {_SMALL}"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of the interview. words: in our own. check: holds it against the ground. commands: to look further."""

    words: str
    check: Callable[[Ground], Evidence]
    commands: tuple[str, ...] = ()


CLAIMS = (
    Claim(
        "Faster hardware can raise quality: slow chips have to take smaller segments, which have more errors.",
        check_speed,
        ("earspan bench",),
    ),
    Claim(
        "Hearing five seconds at a time raises the error rate drastically.",
        check_window,
        ("earspan curve --windows 5,30 --out runs/five-and-thirty",),
    ),
    Claim(
        "An LPU transcribes at hundreds of times real time.",
        check_factor,
        ("earspan time --model large-v3 --backend groq-v1x16", "earspan devices groq-v1 --validation"),
    ),
    Claim(
        "GPUs with large batches have the lowest cost, slowly; at the fast end LPUs are more economical.",
        check_frontier,
        (f"{_SERVE} --out runs/frontier",),
    ),
    Claim(
        "DRAM needs batches in the hundreds to be cheap, an LPU about ten: calls wait less.",
        check_batches,
        ("earspan speed batch",),
    ),
    Claim(
        "Slots booked precisely finish on time; otherwise small delays make all that follows wait.",
        check_jitter,
    ),
    Claim(
        "Static is not rigid: which expert is fetched may vary, the time stays, and bubbles are brief.",
        check_routing,
        ("earspan time --backend groq-v1x72 --decoder moe:experts=8,active=2,skew=1",),
    ),
    Claim(
        "LPUs are almost made for mixtures of experts, which prefer small batches.",
        check_mixture,
        ("earspan speed batch --decoders moe:experts=8,active=2",),
    ),
    Claim(
        "Prefill (for Whisper, encoder and prompt) belongs on GPUs.",
        check_prefill,
        ("earspan time --backend h100+groq-v1x16 --audio 10", f"{_SERVE} --out runs/prefill"),
    ),
    Claim(
        "Decode in tiers: free users on GPUs, professionals on GPU and LPU, extremes on LPUs alone.",
        check_tiers,
        (f"{_SERVE} --tiers free=0.9:4,professional=0.09:1,extreme=0.01:0.3 --out runs/tiers",),
    ),
    Claim(
        "Projections on the LPU, attention on the GPU.",
        check_split,
        ("earspan time --backend h100+groq-v1x16@operator --batch 16", "earspan time --backend h100 --batch 16"),
    ),
    Claim(
        "Diffusion decodes faster on GPUs, as it uses their arithmetic; a mix with key tokens one by one is best.",
        check_diffusion,
        ("earspan time --backend h100 --decoder diffusion:steps=8,block=32,first=0.1",),
    ),
    Claim(
        "Convolution and attention both come down to linear algebra; a flexible chip beats a specialised one.",
        check_kinds,
        ("earspan time --backend h100 --audio 10",),
    ),
    Claim(
        "Speech users are among the largest, since they depend on real time.",
        check_realtime,
        ("earspan capacity --workload synthesis --backends h100,groq-v1x64 --price " + LPU_PRICE,),
    ),
    Claim(
        "Cheaper compute raises the demand for it in all.",
        check_demand,
        (f"earspan capacity --elasticity 1.5 --backends l4,h100 {_SMALL} --out runs/demand",),
    ),
    Claim(
        "Agents multiply calls, and nested ones grow exponentially.",
        check_agents,
        ("earspan capacity --workload agent --backends h100,groq-v1x64",),
    ),
)


def check_claims(*numbers: int, ground: Ground | None = None, progress: Progress | None = None) -> tuple[Finding, ...]:
    """Return what was found about claims, in the order given: cases with figures, and the verdict that follows.

    numbers: 1 to 16; none for all.
    ground: what they are held against; None for the reference curve and the devices of `Ground.open`.
    progress: told of each claim as it begins. Nothing is heard, and torch is not imported; all take a few minutes.
    Raises `InputError` for a number that no claim has.
    """
    wrong = [number for number in numbers if not 1 <= number <= len(CLAIMS)]
    if wrong:
        raise InputError(f"claim {wrong[0]}; expected a number from 1 to {len(CLAIMS)}, as in: earspan claims 5")
    held, told = ground or Ground.open(), progress or Silence()
    return tuple(_check_each(numbers or range(1, len(CLAIMS) + 1), held, told))


def _check_each(numbers: tuple[int, ...] | range, ground: Ground, progress: Progress) -> Iterator[Finding]:
    for done, number in enumerate(numbers):
        with progress.stage(f"claim {number}, {done + 1} of {len(numbers)}"):
            yield find(number, CLAIMS[number - 1], ground)


def find(number: int, claim: Claim, ground: Ground) -> Finding:
    """Return what was found about one claim: the verdict is what follows from its cases, and nothing else."""
    found = claim.check(ground)
    return Finding(
        number=number,
        claim=claim.words,
        test=found.test,
        verdict=NOT_TESTABLE if found.out_of_reach else conclude(found.cases),
        cases=found.cases,
        assumptions=found.assumptions,
        untested=found.untested,
        commands=(f"earspan claims {number}", *claim.commands),
    )
