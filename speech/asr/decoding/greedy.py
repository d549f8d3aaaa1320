"""Decoding a batch, greedily or by sampling, with drafts, to the same tokens whatever the batch.

The same sums in another order differ in the last bits, and matrix products of other sizes add in another order. So
where two tokens are nearly as probable, the batch does not decide: the row is decoded alone there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .decoder import Decoder, DecoderRows
from .draft import Draft
from .rules import Choice, Draw, Rules, Score, Written, gumbel

# Logits nearer than this to each other may change order with the batch. Measured differences between batches are
# at most 1e-4 in float32 (tests/speech/decoding/test_greedy.py holds them below an eighth of this); the others are
# scaled by their precision, an assumption.
_CLOSE = {torch.float32: 2e-3, torch.float16: 0.25, torch.bfloat16: 1.0}

DecodeAlone = Callable[[int, list[int]], Tensor]  # the logits of row `i` after these tokens, decoded by itself


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a row begins with.

    prompt: tokens fed first.
    start_at: the place of the start mark among them.
    temperature: above 0, tokens are sampled by `seed`.
    drafts: texts that it may be like, newest first.
    """

    prompt: list[int]
    start_at: int
    temperature: float = 0.0
    seed: int = 0
    drafts: Sequence[Sequence[int]] = ()


@dataclass(slots=True)
class Text:
    """One row while it is decoded: `pending` is fed next; `passes` the passes that it took."""

    row: int
    beginning: Beginning
    budget: int
    pending: list[int]
    draft: Draft
    generator: torch.Generator | None
    produced: list[int] = field(default_factory=list)
    written: Written = field(default_factory=Written)
    log_probability: float = 0.0
    no_speech_probability: float = 0.0
    passes: int = 0

    def proposal(self) -> list[Sequence[int]]:
        """Return continuations to check in the next pass."""
        return self.draft.proposal(self.budget - len(self.produced) - 1)

    def draw(self, vocabulary: int) -> Draw | None:
        """Return the noise of the next token, where it is sampled."""
        if self.generator is None:
            return None
        return Draw(self.beginning.temperature, gumbel(vocabulary, self.generator))


def decode(
    decoder: Decoder,
    rows: DecoderRows,
    beginnings: Sequence[Beginning],
    max_tokens: int,
    rules: Rules,
    alone: DecodeAlone,
) -> list[Text]:
    """Decode all `rows` to their end; finished ones leave. Returns their texts, in the order of `beginnings`."""
    # The last token needs no position of its own, as nothing is decoded after it.
    context = decoder.dims.n_text_ctx + 1
    texts = [_text(row, beginning, min(max_tokens, context - len(beginning.prompt)))
             for row, beginning in enumerate(beginnings)]  # fmt: skip
    table = decoder.module.token_embedding.weight
    close, active = _CLOSE[table.dtype], texts
    while active:
        proposals = [text.proposal() for text in active]
        fed = [
            [*text.pending, *(branches[0] if branches else ())]
            for text, branches in zip(active, proposals, strict=True)
        ]
        sides = [(len(text.pending), branches[1:]) for text, branches in zip(active, proposals, strict=True)]
        hidden = rows.advance(fed, sides) if any(branches for _, branches in sides) else rows.advance(fed)
        if not active[0].passes:
            _judge_speech(active, hidden, proposals, rules, decoder.logits)
        written = [before for text, branches in zip(active, proposals, strict=True) for before in
                   _written(text.written, branches, rules.timestamp_begin)]  # fmt: skip
        drawn = [text.draw(len(table)) for text in active]
        draws = [draw for draw, branches in zip(drawn, proposals, strict=True)
                 for draw in (draw, *[None] * sum(map(len, branches)))]  # fmt: skip
        found = iter(rules.choose(hidden[_asked(active, proposals)], decoder.logits, written, draws))
        going = []
        for index, (text, branches) in enumerate(zip(active, proposals, strict=True)):
            known, checked = len(text.pending), sum(map(len, branches))
            places = next(found), [[next(found) for _ in branch] for branch in branches]

            def decide(text: Text = text, draw: Draw | None = drawn[index]) -> Choice:
                logits = alone(text.row, text.beginning.prompt + text.produced)
                return rules.decide(logits[None].clone(), [text.written], [draw])[0]

            branch, accepted = _take(text, branches, places, rules, close, decide)
            start = known + sum(map(len, branches[:branch]))
            rows.settle(index, known + checked, known, start, accepted)
            if text.produced[-1] != rules.eot and len(text.produced) < text.budget:
                going.append(index)
        if len(going) < len(active):
            active = [active[index] for index in rows.keep(going)]
    return texts


def _text(row: int, beginning: Beginning, budget: int) -> Text:
    sampled = beginning.temperature > 0
    generator = torch.Generator().manual_seed(beginning.seed) if sampled else None
    return Text(row, beginning, budget, beginning.prompt, Draft([] if sampled else beginning.drafts), generator)


def _asked(active: list[Text], proposals: list[list[Sequence[int]]]) -> list[int]:
    """Return where logits are needed: at the last pending token of each row, and at what is proposed after it."""
    places, start = [], 0
    for text, branches in zip(active, proposals, strict=True):
        checked = sum(map(len, branches))
        start += len(text.pending) - 1
        places += range(start, start + 1 + checked)
        start += 1 + checked
    return places


def _judge_speech(
    active: list[Text], hidden: Tensor, proposals: list[list[Sequence[int]]], rules: Rules, score: Score
) -> None:
    """Note how probable it is that nobody speaks, which the first pass says after the start mark."""
    sizes = [len(text.pending) + sum(map(len, branches)) for text, branches in zip(active, proposals, strict=True)]
    starts = [sum(sizes[:index]) + text.beginning.start_at for index, text in enumerate(active)]
    for text, probability in zip(active, rules.no_speech_probability(hidden[starts], score), strict=True):
        text.no_speech_probability = probability


def _written(before: Written, branches: Sequence[Sequence[int]], timestamp_begin: int) -> Iterator[Written]:
    """Return what is written before each place of a pass, if what is proposed up to there is right."""
    yield before
    for branch in branches:
        after = before
        for token in branch:
            after = after.then(token, timestamp_begin)
            yield after


def _take(
    text: Text,
    branches: list[Sequence[int]],
    places: tuple[Choice, list[list[Choice]]],
    rules: Rules,
    close: float,
    decide: Callable[[], Choice],
) -> tuple[int, int]:
    """Append what a pass decoded; which of the `branches` it confirmed the most of, and how many tokens of it."""
    text.passes += 1
    choice, after = places
    right, best, accepted = list(range(len(branches))), 0, 0
    while True:
        if choice.margin < close:
            choice = decide()
        text.produced.append(choice.token)
        text.written = text.written.then(choice.token, rules.timestamp_begin)
        text.log_probability += choice.log_probability
        right = [n for n in right if accepted < len(branches[n]) and branches[n][accepted] == choice.token]
        if choice.token == rules.eot or not right:
            break
        best = right[0]
        choice = after[best][accepted]
        accepted += 1
    text.draft.follow(text.produced, best, accepted)
    text.pending = [text.produced[-1]]
    return best, accepted
