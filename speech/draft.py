"""Exact decoding with a draft: text that is probably right is checked in one pass, and only what differs is decoded.

One teacher-forced pass over draft tokens yields, at each of them, the token that greedy decoding would produce next.
As long as the two are equal, the pass has decoded; its first difference is itself a decoded token, and the draft goes
on from where it fits again. So the text is that of greedy decoding whatever the draft, which only saves passes.
The idea is that of Yang et al. 2023, "Inference with Reference" (arXiv 2304.04487); for sliding windows the
reference is what the window before was heard as.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST_MATCH = 4  # more tokens in common than this say no more about where the draft goes on


@dataclass(slots=True)
class Draft:
    """A draft, and `at`: which of its tokens is proposed next."""

    tokens: Sequence[int]
    at: int = 0

    def proposal(self, room: int) -> list[int]:
        """What comes next according to the draft: at most `room` tokens."""
        return list(self.tokens[self.at : self.at + max(0, room)])

    def follow(self, produced: Sequence[int], accepted: int) -> None:
        """Go on after a pass: `accepted` proposed tokens were right, and `produced` ends with the token after them.

        Where that token differs from the draft, the draft goes on behind the place that looks most like the end of
        `produced`; a token that is nowhere in it is taken for a substitution.
        """
        expected = self.at + accepted
        if expected >= len(self.tokens) or self.tokens[expected] == produced[-1]:
            self.at = min(expected + 1, len(self.tokens))
            return
        matches = [(self._match(produced, end), -abs(end - expected), end) for end in range(len(self.tokens))]
        length, _, end = max(matches)
        self.at = (end if length else expected) + 1

    def _match(self, produced: Sequence[int], end: int) -> int:
        """How many tokens up to `end` equal the last of `produced`."""
        limit = min(_LONGEST_MATCH, end + 1, len(produced))
        return next((n for n in range(limit) if self.tokens[end - n] != produced[-1 - n]), limit)


def accepted_of(proposal: Sequence[int], produced: Sequence[int]) -> int:
    """How many proposed tokens a pass confirms, given what greedy decoding produces from there on."""
    pairs = zip(proposal, produced, strict=False)
    return next((n for n, (mine, theirs) in enumerate(pairs) if mine != theirs), min(len(proposal), len(produced)))


def proposals(draft: Sequence[int], produced: Sequence[int], budget: int = 224) -> tuple[int, ...]:
    """How many draft tokens each pass checks until `produced`, end mark included, is decoded; its length: the passes.

    A pass without any is a plain decode step. `budget`: the most tokens that may be produced, as in the engine.
    No model is needed for this, as the text does not depend on the draft.
    """
    following, done, sizes = Draft(draft), 0, []
    while done < len(produced):
        proposal = following.proposal(budget - done - 1)
        sizes.append(len(proposal))
        accepted = accepted_of(proposal, produced[done:])
        done += accepted + 1
        following.follow(produced[: min(done, len(produced))], accepted)
    return tuple(sizes)
