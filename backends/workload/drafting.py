"""The workload of a call that is decoded with a draft: fewer decoder passes, each over more tokens.

The first pass takes the prompt and the draft at once. Every later one feeds the last token and what is left of the
draft, and ends at the first difference. So serial steps become parallel work, which is what a device with idle
arithmetic gains from; one that is not bound by reading its weights does not.
"""

from collections.abc import Sequence
from dataclasses import replace

from .workload import Workload

# Tokens that one pass yields in calls that are planned. An assumption, which benchmarks/speed measures; a call that
# was really transcribed is timed with its own passes.
TOKENS_PER_PASS = 4.0


def apply_draft(call: Workload, proposals: Sequence[int]) -> Workload:
    """Return `call` as decoded with a draft.

    proposals: how many proposed tokens each decoder pass checks; the first pass is the prefill. Empty: no draft.

    The decode steps of the result are the passes after the first, all of the mean size, rounded up. Rejected tokens
    leave the caches again, and accepted ones are few beside the 1500 positions of the audio, so a step counts as adding
    one.
    """
    if not proposals:
        return call
    first, *later = proposals
    fed = -(-sum(1 + count for count in later) // len(later)) if later else 1
    room = call.dims.n_text_ctx - len(later) - (fed - 1)
    return replace(call, prompt_tokens=min(call.prompt_tokens + first, room), decode_tokens=len(later), pass_tokens=fed)


def plan_proposals(tokens: int, tokens_per_pass: float = TOKENS_PER_PASS) -> tuple[int, ...]:
    """Return the `proposals` to plan a call of `tokens` text tokens with: a full draft, then what is left of it."""
    passes = max(1, round((tokens + 1) / tokens_per_pass))
    return tuple(round(tokens * (1 - done / passes)) for done in range(passes))
