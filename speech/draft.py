"""Exact decoding with a draft: text that is probably right is checked in one pass, and only what differs is decoded.

One teacher-forced pass over draft tokens yields, at each of them, the token that greedy decoding would produce next.
As long as the two are equal, the pass has decoded; its first difference is itself a decoded token, and the draft goes
on from where one of its texts fits again. So the text is that of greedy decoding whatever the draft, which only saves
passes. The idea is that of Yang et al. 2023, "Inference with Reference" (arXiv 2304.04487); for sliding windows the
references are what the windows before were heard as. A recogniser in doubt wavers between the same few readings from
window to window: what differs from the last text is often in one of those before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

REMEMBERED = 4  # texts of earlier windows that make a draft; more than these save no further passes
_LONGEST_MATCH = 4  # more tokens in common than this say no more about where the draft goes on
_LEAST_MATCH_BEYOND = 2  # after its end, a text goes on in another only where more than a single word agrees


@dataclass(slots=True)
class Draft:
    """What earlier windows were heard as, newest first, and what is proposed next: token `at` of text `text`."""

    texts: Sequence[Sequence[int]]
    text: int = 0
    at: int = 0

    def proposal(self, room: int) -> list[int]:
        """What comes next according to the draft: at most `room` tokens."""
        if not self.texts:
            return []
        return list(self.texts[self.text][self.at : self.at + max(0, room)])

    def follow(self, produced: Sequence[int], accepted: int) -> None:
        """Go on after a pass: `accepted` proposed tokens were right, and `produced` ends with the token after them.

        Where that token differs from the text that was followed, the draft goes on behind the place, in any of its
        texts, that looks most like the end of `produced`; a token that is nowhere is taken for a substitution.
        """
        if not self.texts:
            return
        followed, expected = self.texts[self.text], self.at + accepted
        if expected < len(followed) and followed[expected] == produced[-1]:
            self.at = expected + 1
            return
        matches = [
            (_match(tokens, produced, end), -text, -abs(end - expected), end)
            for text, tokens in enumerate(self.texts)
            for end, token in enumerate(tokens)
            if token == produced[-1]
        ]
        length, older, _, end = max(matches, default=(0, 0, 0, 0))
        if length >= (1 if expected < len(followed) else _LEAST_MATCH_BEYOND):
            self.text, self.at = -older, end + 1
        else:
            self.at = min(expected + 1, len(followed))


def _match(tokens: Sequence[int], produced: Sequence[int], end: int) -> int:
    """How many of `tokens` up to `end` equal the last of `produced`."""
    limit = min(_LONGEST_MATCH, end + 1, len(produced))
    return next((n for n in range(limit) if tokens[end - n] != produced[-1 - n]), limit)


def accepted_of(proposal: Sequence[int], produced: Sequence[int]) -> int:
    """How many proposed tokens a pass confirms, given what greedy decoding produces from there on."""
    pairs = zip(proposal, produced, strict=False)
    return next((n for n, (mine, theirs) in enumerate(pairs) if mine != theirs), min(len(proposal), len(produced)))


def proposals(draft: Sequence[Sequence[int]], produced: Sequence[int], budget: int = 224) -> tuple[int, ...]:
    """How many draft tokens each pass checks until `produced`, end mark included, is decoded; its length: the passes.

    A pass without any is a plain decode step. draft: texts, newest first. `budget`: the most tokens that may be
    produced, as in the engine. No model is needed for this, as the text does not depend on the draft.
    """
    following, done, sizes = Draft(draft), 0, []
    while done < len(produced):
        proposal = following.proposal(budget - done - 1)
        sizes.append(len(proposal))
        accepted = accepted_of(proposal, produced[done:])
        done += accepted + 1
        following.follow(produced[: min(done, len(produced))], accepted)
    return tuple(sizes)
