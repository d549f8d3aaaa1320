"""Greedy decoding of a batch, with drafts, to the same tokens whatever the batch.

The same sums in another order differ in the last bits, and matrix products of other sizes add in another order. So
where two tokens are nearly as probable, the batch does not decide: the clip is decoded alone there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from .decoder import Decoder, DecoderRows
from .draft import Draft
from .token_table import Choice

# Logits nearer than this to each other may change order with the batch. Measured differences between batches are
# at most 1e-4 in float32 (tests/speech/test_greedy.py holds them below an eighth of this); the others are scaled
# by their precision, an assumption.
_CLOSE = {torch.float32: 2e-3, torch.float16: 0.25, torch.bfloat16: 1.0}

Referee = Callable[[int, list[int]], int]  # the next token of row `i` after these tokens, decoded alone


@dataclass(slots=True)
class Text:
    """One row while it is decoded: `pending` is fed next; `passes` the passes that it took."""

    row: int
    prompt: list[int]
    draft: Draft
    budget: int
    pending: list[int]
    produced: list[int] = field(default_factory=list)
    log_probability: float = 0.0
    passes: int = 0

    def proposal(self) -> list[Sequence[int]]:
        return self.draft.proposal(self.budget - len(self.produced) - 1)


def decode(
    decoder: Decoder,
    rows: DecoderRows,
    prompts: Sequence[list[int]],
    drafts: Sequence[Sequence[Sequence[int]]],
    max_tokens: int,
    end: int,
    referee: Referee,
) -> list[Text]:
    """Decode all `rows` to their end; finished ones leave. Returns their texts, in the order of `prompts`."""
    # The last token needs no position of its own, as nothing is decoded after it.
    context = decoder.dims.n_text_ctx + 1
    texts = [
        Text(row, prompt, Draft(draft), min(max_tokens, context - len(prompt)), pending=prompt)
        for row, (prompt, draft) in enumerate(zip(prompts, drafts, strict=True))
    ]
    close = _CLOSE[decoder.module.token_embedding.weight.dtype]
    active = texts
    while active:
        proposals = [text.proposal() for text in active]
        fed = [
            [*text.pending, *(branches[0] if branches else ())]
            for text, branches in zip(active, proposals, strict=True)
        ]
        sides = [(len(text.pending), branches[1:]) for text, branches in zip(active, proposals, strict=True)]
        hidden = rows.advance(fed, sides) if any(branches for _, branches in sides) else rows.advance(fed)
        choice = decoder.table.choose(hidden[_asked(active, proposals)])
        found = _Found(choice, close)
        going = []
        for index, (text, branches) in enumerate(zip(active, proposals, strict=True)):
            known, checked = len(text.pending), sum(map(len, branches))
            branch, accepted = _take(text, branches, found, end, referee)
            start = known + sum(map(len, branches[:branch]))
            rows.settle(index, known + checked, known, start, accepted)
            if text.produced[-1] != end and len(text.produced) < text.budget:
                going.append(index)
        if len(going) < len(active):
            active = [active[index] for index in rows.keep(going)]
    return texts


def _asked(active: list[Text], proposals: list[list[Sequence[int]]]) -> list[int]:
    """Where logits are needed: at the last pending token of each row, and at what is proposed after it."""
    places, start = [], 0
    for text, branches in zip(active, proposals, strict=True):
        checked = sum(map(len, branches))
        start += len(text.pending) - 1
        places += range(start, start + 1 + checked)
        start += 1 + checked
    return places


class _Found:
    """A `Choice` read place by place."""

    def __init__(self, choice: Choice, close: float) -> None:
        columns = choice.token.tolist(), (choice.margin < close).tolist(), choice.log_probability.tolist()
        self._places = iter(zip(*columns, strict=True))

    def __call__(self) -> tuple[int, bool, float]:
        return next(self._places)


def _take(text: Text, branches: list[Sequence[int]], found: _Found, end: int, referee: Referee) -> tuple[int, int]:
    """Append what a pass decoded; which of the `branches` it confirmed the most of, and how many tokens of it."""
    text.passes += 1
    place = found()
    after = [[found() for _ in branch] for branch in branches]
    right, best, accepted = list(range(len(branches))), 0, 0
    while True:
        token, close, log_probability = place
        if close:
            token = referee(text.row, text.prompt + text.produced)
        text.produced.append(token)
        text.log_probability += log_probability
        right = [n for n in right if accepted < len(branches[n]) and branches[n][accepted] == token]
        if token == end or not right:
            break
        best = right[0]
        place = after[best][accepted]
        accepted += 1
    text.draft.follow(text.produced, best, accepted)
    text.pending = [text.produced[-1]]
    return best, accepted
