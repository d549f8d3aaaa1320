"""Token counts of a model other than the one that heard: what is timed may write the same text with other tokens."""

import math
from dataclasses import replace

from whisper.tokenizer import Tokenizer

from ..hypothesis import DecoderRun, Hypothesis


def counted_by(tokenizer: Tokenizer, heard_by: Tokenizer, hypothesis: Hypothesis) -> Hypothesis:
    """`hypothesis` with the token counts that a model of `tokenizer` would have had for the same texts.

    heard_by: the tokenizer of the model that heard. A run's text is as much longer as all the text is; timestamps are
    as many, and the start marks are the other model's. A draft is taken to be accepted as it was.
    """
    own = len(heard_by.encode(" " + hypothesis.text)) if hypothesis.text else 0
    ratio = len(tokenizer.encode(" " + hypothesis.text)) / own if own else 1.0

    def recounted(run: DecoderRun) -> DecoderRun:
        marks = run.prompt_tokens - run.prior_tokens + len(tokenizer.sot_sequence) - len(heard_by.sot_sequence)
        prior = round(run.prior_tokens * ratio)
        times = sum(token >= heard_by.timestamp_begin for token in run.tokens)
        return replace(
            run,
            prompt_tokens=marks + prior,
            prior_tokens=prior,
            decode_tokens=round((run.decode_tokens - times) * ratio) + times if run.decode_tokens > times else times,
            proposals=tuple(math.ceil(count * ratio) for count in run.proposals),
        )

    return replace(hypothesis, runs=tuple(map(recounted, hypothesis.runs)))
