"""Token counts of a model other than the one that heard: what is timed may write the same text with other tokens."""

import math
from dataclasses import replace

from whisper.tokenizer import Tokenizer

from ..hypothesis import DecoderRun, Hypothesis


def recount(tokenizer: Tokenizer, heard_with: Tokenizer, hypothesis: Hypothesis) -> Hypothesis:
    """Return `hypothesis` with the token counts that another model would have had for the same texts.

    tokenizer: the other model's.
    heard_with: the tokenizer of the model that transcribed.

    A run's text is as much longer as all the text is; timestamps are as many, and the start marks are the other
    model's. A draft is taken to be accepted as it was.
    """
    own = len(heard_with.encode(" " + hypothesis.text, disallowed_special=())) if hypothesis.text else 0
    ratio = len(tokenizer.encode(" " + hypothesis.text, disallowed_special=())) / own if own else 1.0

    def recount_run(run: DecoderRun) -> DecoderRun:
        marks = run.prompt_tokens - run.prior_tokens + len(tokenizer.sot_sequence) - len(heard_with.sot_sequence)
        prior = round(run.prior_tokens * ratio)
        times = sum(token >= heard_with.timestamp_begin for token in run.tokens)
        return replace(
            run,
            prompt_tokens=marks + prior,
            prior_tokens=prior,
            decode_tokens=round((run.decode_tokens - times) * ratio) + times if run.decode_tokens > times else times,
            proposals=tuple(math.ceil(count * ratio) for count in run.proposals),
        )

    return replace(hypothesis, runs=tuple(map(recount_run, hypothesis.runs)))
