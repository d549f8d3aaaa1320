"""Exact decoding with a draft: text that is probably right is checked in one pass, and only what differs is decoded.

One teacher-forced pass over draft tokens yields, at each of them, the token that greedy decoding would produce next.
As long as the two are equal, the pass has decoded; its first difference is itself a decoded token, and the draft goes
on from where one of its texts fits again. Where it may fit in several ways, a pass checks several continuations, side
by side. So the text is that of greedy decoding whatever the draft, which only saves passes. The idea is that of Yang
et al. 2023, "Inference with Reference" (arXiv 2304.04487), with a tree of drafts as in SpecInfer (arXiv 2305.09781);
for sliding windows the references are what the windows before were heard as. An unsure recogniser wavers between the
same few readings from window to window: what differs from the last text is often in one of those before it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ....backends.workload.op import LONGEST_S
from ..hypothesis import SECONDS_PER_TICK, DraftText, Hypothesis

REMEMBERED = 4  # texts of earlier windows that make a draft; more than these save no further passes
BRANCHES = 3  # continuations that a pass checks: the likeliest to its end, the others for `SIDE` tokens
SIDE = 24
_LONGEST_MATCH = 4  # more tokens in common than this say no more about where the draft goes on
_LEAST_MATCH_BEYOND = 2  # after its end, a text goes on in another only where more than a single word agrees
_LAST_TICK = round(LONGEST_S / SECONDS_PER_TICK)  # of the last timestamp, 30 s
_ALIKE = 3  # continuations that begin with as many equal tokens are one

_Place = tuple[int, int]  # a text, and the token of it that comes next


@dataclass(slots=True)
class Draft:
    """What earlier windows were heard as, newest first, and where in them decoding may go on, the likeliest first."""

    texts: Sequence[Sequence[int]]
    _places: list[_Place] = field(init=False)
    _expected: _Place = (0, 0)  # of the text that was followed last

    def __post_init__(self) -> None:
        # a window that moved on has lost its first words, or none
        self._places = self._distinct((0, start) for start in range(BRANCHES)) if self.texts else []

    def proposal(self, room: int) -> list[Sequence[int]]:
        """Return continuations to check, each of at most `room` tokens."""
        lengths = [room] + [min(room, SIDE)] * (BRANCHES - 1)
        ends = zip(self._places, lengths, strict=False)
        return [self.texts[text][at : at + length] for (text, at), length in ends] if room > 0 else []

    def follow(self, produced: Sequence[int], branch: int, accepted: int) -> None:
        """Go on after a pass: of a continuation `accepted` tokens were right; `produced` ends with the one after them.

        Where that token differs from the text that was followed, the draft goes on behind the places, in any of its
        texts, that look most like the end of `produced`; last, it is taken for a substitution, an insertion or a
        deletion.
        """
        if not self.texts:
            return
        text, at = self._places[branch] if self._places else self._expected
        followed, expected = self.texts[text], at + accepted
        beyond = expected >= len(followed)
        straight = [(text, expected + 1)] if not beyond and followed[expected] == produced[-1] else []
        matches = sorted(
            (
                (_match(tokens, produced, end), -number, -abs(end - expected), end)
                for number, tokens in enumerate(self.texts)
                for end, token in enumerate(tokens)
                if token == produced[-1]
            ),
            reverse=True,
        )
        least = _LEAST_MATCH_BEYOND if beyond else 1
        alike = [(-older, end + 1) for length, older, _, end in matches if length >= least]
        edited = [] if beyond else [(text, expected + step) for step in (1, 0, 2)]
        self._expected = text, min(expected + 1, len(followed))
        self._places = self._distinct([*straight, *alike, *edited])

    def _distinct(self, places: Iterable[_Place]) -> list[_Place]:
        """Return the first `BRANCHES` of `places` that do not begin alike, without those at the end of their text."""
        found: dict[tuple[int, ...], _Place] = {}
        for text, at in places:
            beginning = tuple(self.texts[text][at : at + _ALIKE])
            if beginning and beginning not in found:
                found[beginning] = text, at
                if len(found) == BRANCHES:
                    break
        return list(found.values())


def _match(tokens: Sequence[int], produced: Sequence[int], end: int) -> int:
    """Return how many of `tokens` up to `end` equal the last of `produced`."""
    limit = min(_LONGEST_MATCH, end + 1, len(produced))
    return next((n for n in range(limit) if tokens[end - n] != produced[-1 - n]), limit)


def shift_timestamps(tokens: Sequence[int], ticks: int, timestamp_begin: int) -> tuple[int, ...]:
    """Return `tokens` as they would be written by who hears the same from `ticks` of 20 ms later on.

    Timestamps fall by so many, and stay within the 30 s that there are timestamps for.
    """
    first, last = timestamp_begin, timestamp_begin + _LAST_TICK
    return tuple(token if token < first else min(last, max(first, token - ticks)) for token in tokens)


def count_accepted(proposal: Sequence[int], produced: Sequence[int]) -> int:
    """Return how many proposed tokens a pass confirms, given what greedy decoding produces from there on."""
    pairs = zip(proposal, produced, strict=False)
    return next((n for n, (mine, theirs) in enumerate(pairs) if mine != theirs), min(len(proposal), len(produced)))


def proposals(draft: Sequence[Sequence[int]], produced: Sequence[int], budget: int = 224) -> tuple[int, ...]:
    """Return how many draft tokens each pass checks until `produced`, end mark included, is decoded.

    draft: texts, newest first.
    produced: the tokens that decoding gives.
    budget: the most tokens that may be produced, as in the engine.

    There are as many passes as numbers; a pass that checks none is a plain decode step. No model is needed for this,
    as the text does not depend on the draft.
    """
    following, done, sizes = Draft(draft), 0, []
    while done < len(produced):
        branches = following.proposal(budget - done - 1)
        sizes.append(sum(map(len, branches)))
        accepted = [count_accepted(branch, produced[done:]) for branch in branches] or [0]
        most = max(accepted)
        done += most + 1
        following.follow(produced[: min(done, len(produced))], accepted.index(most), most)
    return tuple(sizes)


def add_proposals(hypothesis: Hypothesis, drafts: Sequence[DraftText], timestamp_begin: int) -> Hypothesis:
    """Return the hypothesis as the work that it is with earlier texts as drafts, in those runs that do not sample."""
    runs = []
    for run in hypothesis.runs:
        if run.temperature == 0 and run.candidates == 1:
            ticks = round(run.start_s / SECONDS_PER_TICK)
            texts = [shift_timestamps(text.tokens, text.ticks + ticks, timestamp_begin) for text in drafts]
            run = replace(run, proposals=proposals(texts, run.produced))
        runs.append(run)
    return replace(hypothesis, runs=tuple(runs))
