"""Token counts of a model other than the one that heard: what is timed may write the same text with other tokens."""

import math
from dataclasses import replace

import numpy as np
from whisper.model import ModelDimensions
from whisper.tokenizer import Tokenizer

from ..backends.models import Dimensions
from .hypothesis import Clip, Hypothesis
from .strategies import Call
from .transcriber import prompt_of


def counted_by(
    tokenizer: Tokenizer, dims: ModelDimensions | Dimensions, call: Call, hypothesis: Hypothesis
) -> Hypothesis:
    """`hypothesis` with the token counts that a model of `tokenizer` and `dims` would have had for the same texts.

    A draft is taken to be accepted as it was, in tokens of the other size.
    """
    written = len(tokenizer.encode(" " + hypothesis.text)) if hypothesis.text else 0
    stopped = hypothesis.stopped  # then one step more was made than is left in the text
    size = written / len(hypothesis.tokens) if hypothesis.tokens and not stopped else 1.0
    before = Clip(np.zeros(0, np.float32), call.prompt, call.prefix)
    return replace(
        hypothesis,
        prompt_tokens=len(prompt_of(before, tokenizer, dims)),
        decode_tokens=max(0, written + stopped - hypothesis.cut_off),
        proposals=tuple(math.ceil(count * size) for count in hypothesis.proposals),
    )
