"""The workload of a call that is decoded with a draft: fewer decoder passes, each over more tokens.

The first pass takes the prompt and the draft at once. Every later one feeds the last token and what is left of the
draft, and ends at the first difference. So serial steps become parallel work, which is what a device with idle
arithmetic gains from, and one that is not bound by its weights does not.
"""

from collections.abc import Sequence
from dataclasses import replace

from .workload import Workload

# Tokens that one pass of the planner's calls produces. An assumption: benchmarks/engine_speed.py measures it, and a
# call that was heard is timed with its own passes.
TOKENS_PER_PASS = 4.0


def apply_draft(call: Workload, proposals: Sequence[int]) -> Workload:
    """`call` as decoded in `len(proposals)` passes, which check so many tokens each; the first is the prefill.

    Its decode steps become the passes after the first, all of the mean size, rounded up. Rejected tokens leave the
    caches again, and accepted ones are few beside the 1500 positions of the audio: a step counts as adding one.
    """
    if not proposals:
        return call
    first, *later = proposals
    fed = -(-sum(1 + count for count in later) // len(later)) if later else 1
    room = call.dims.n_text_ctx - len(later) - (fed - 1)
    return replace(call, prompt_tokens=min(call.prompt_tokens + first, room), decode_tokens=len(later), pass_tokens=fed)


def plan_proposals(tokens: int, tokens_per_pass: float = TOKENS_PER_PASS) -> tuple[int, ...]:
    """Sizes of the checks of a call with so many text tokens, for planning: a full draft, then what is left of it."""
    passes = max(1, round((tokens + 1) / tokens_per_pass))
    return tuple(round(tokens * (1 - done / passes)) for done in range(passes))
