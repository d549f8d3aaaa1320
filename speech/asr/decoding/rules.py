"""Which token comes next: whisper.decoding's rules, applied to all texts of a batch at once.

openai-whisper filters the logits of one step: symbols that are no speech are suppressed, an empty text is not begun,
timestamps come in pairs and do not fall, and where all timestamps together are more probable than any other token, one
of them is written (whisper.decoding: SuppressBlank, SuppressTokens, ApplyTimestampRules). Here each place is filtered
by itself, so that many rows, and many tokens of a draft, are decided by one product with the token table.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from whisper.tokenizer import Tokenizer

from ..hypothesis import SECONDS_PER_TICK

Score = Callable[[Tensor], Tensor]  # gives logits, shape = (places, vocabulary), for states, shape = (places, state)
_PLACES = 256  # decided together: 53 MB of logits at Whisper's vocabulary
LATEST_FIRST_TICK = round(1.0 / SECONDS_PER_TICK)  # whisper.DecodingOptions.max_initial_timestamp


@dataclass(frozen=True, slots=True)
class Written:
    """What the rules need to know of the tokens written so far.

    count: of tokens. last, before_last: whether these are timestamps; before the second token, `before_last` counts
    as one. latest: the latest timestamp's tick, or -1.
    """

    count: int = 0
    last: bool = False
    before_last: bool = True
    latest: int = -1

    def then(self, token: int, timestamp_begin: int) -> "Written":
        """Return what is known after one more token."""
        tick = token - timestamp_begin
        before_last = self.last if self.count else True
        return Written(self.count + 1, tick >= 0, before_last, tick if tick >= 0 else self.latest)


@dataclass(frozen=True, slots=True)
class Choice:
    """The token at one place: `margin` is how far it is from another, in logits; `log_probability` its own."""

    token: int
    margin: float
    log_probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """Sampling at one place: at `temperature`, with Gumbel noise, shape = (vocabulary,).

    The highest sum of logit / temperature and Gumbel noise is a sample of the softmax (Gumbel 1954); so sampling is a
    choice with a margin, too.
    """

    temperature: float
    noise: Tensor


class Rules:
    """whisper.decoding's rules for one tokenizer and one set of options."""

    def __init__(self, tokenizer: Tokenizer, timestamps: bool, suppress_tokens: str, suppress_blank: bool) -> None:
        self.tokenizer, self.timestamps = tokenizer, timestamps
        self.eot, self.timestamp_begin = tokenizer.eot, tokenizer.timestamp_begin
        suppressed = _suppressed(tokenizer, suppress_tokens)
        if timestamps:
            suppressed.add(tokenizer.no_timestamps)
        self._suppressed = torch.tensor(sorted(suppressed), dtype=torch.long)
        blank = [*tokenizer.encode(" "), tokenizer.eot] if suppress_blank else []
        self._blank = torch.tensor(blank, dtype=torch.long)

    def choose(
        self, hidden: Tensor, score: Score, written: Sequence[Written], draws: Sequence[Draw | None]
    ) -> list[Choice]:
        """Return the token at each place. hidden: shape = (places, state). score: what gives logits for states."""
        found: list[Choice] = []
        for start in range(0, len(written), _PLACES):
            part = slice(start, start + _PLACES)
            found += self.decide(score(hidden[part]), written[part], draws[part])
        return found

    def decide(self, logits: Tensor, written: Sequence[Written], draws: Sequence[Draw | None]) -> list[Choice]:
        """Return the token at each place, given `logits`, shape = (places, vocabulary), which are changed."""
        logits[:, self._suppressed.to(logits.device)] = -torch.inf
        for place, before in enumerate(written):
            self._filter(logits[place], before)
        if not self.timestamps:
            return self._decide_among(logits, torch.full((len(written),), torch.inf), draws)
        # where all timestamps together are more probable than any other token, one of them is written
        text, times = logits[:, : self.timestamp_begin], logits[:, self.timestamp_begin :]
        lead = times.logsumexp(-1) - text.amax(-1)
        lead = torch.where(lead.isnan(), -torch.inf, lead)  # nothing is left of either: as without the rule
        for place in (lead > 0).nonzero().flatten().tolist():
            logits[place, : self.timestamp_begin] = -torch.inf
        return self._decide_among(logits, lead.abs(), draws)

    def _filter(self, logits: Tensor, before: Written) -> None:
        """Suppress what may not follow, in place; `logits`, shape = (vocabulary,)."""
        if not before.count:
            logits[self._blank.to(logits.device)] = -torch.inf
        if not self.timestamps:
            return
        begin = self.timestamp_begin
        if not before.count:
            logits[:begin] = -torch.inf
            logits[begin + LATEST_FIRST_TICK + 1 :] = -torch.inf
            return
        opened = before.last and not before.before_last  # a segment has ended, and the next one begins or none does
        if before.last and before.before_last:
            logits[begin:] = -torch.inf
        elif opened:
            logits[: self.eot] = -torch.inf
        if before.latest >= 0:
            logits[begin : begin + before.latest + (not opened)] = -torch.inf

    def _decide_among(self, logits: Tensor, lead: Tensor, draws: Sequence[Draw | None]) -> list[Choice]:
        """Return the choice at each place among the logits that are left; `lead`: how far the timestamps' rule is from
        deciding otherwise, shape = (places,).
        """
        total = logits.logsumexp(-1)
        scores = logits
        if any(draws):
            scores = logits.clone()
            for place, draw in enumerate(draws):
                if draw:
                    scores[place] = (scores[place] / draw.temperature + draw.noise) * draw.temperature
        best, token = scores.topk(2)
        margin = torch.minimum(best[:, 0] - best[:, 1], lead.to(best.device))
        log_probability = logits.gather(1, token[:, :1])[:, 0] - total
        columns = token[:, 0].tolist(), margin.tolist(), log_probability.tolist()
        return [Choice(*one) for one in zip(*columns, strict=True)]

    def no_speech_probability(self, hidden: Tensor, score: Score) -> list[float]:
        """Return how probable it is that nobody speaks, given states after the start mark, shape = (places, state)."""
        if self.tokenizer.no_speech is None or not len(hidden):
            return [math.nan] * len(hidden)
        logits = score(hidden)
        return (logits[:, self.tokenizer.no_speech] - logits.logsumexp(-1)).exp().tolist()


def gumbel(size: int, generator: torch.Generator) -> Tensor:
    """Return Gumbel noise, shape = (size,): minus the logarithm of exponential noise."""
    # what `Tensor.exponential_` gives, to the bit, in a third of its time: that draws one number after another
    uniform = torch.empty(size, dtype=torch.float64).uniform_(generator=generator)
    return uniform.neg_().log1p_().neg_().float().log_().neg_()


def _suppressed(tokenizer: Tokenizer, given: str) -> set[int]:
    """Return the ids that `suppress_tokens` stands for (whisper.decoding.DecodingTask._get_suppress_tokens)."""
    ids = {int(token) for token in given.split(",") if token.strip()}
    if not ids:
        return set()
    if -1 in ids:
        ids = (ids - {-1}) | set(tokenizer.non_speech_tokens)
    marks = (tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm)
    return ids | {mark for mark in (*marks, tokenizer.no_speech) if mark is not None}
