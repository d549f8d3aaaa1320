"""The rows of Whisper's English token table that `pocket` uses, and how they stand for the whole table.

Of 51,864 rows only a few thousand occur in the training text. The others share one trained row, so that the
checkpoint stores and the training multiplies a small table, while the softmax stays that of the full one: the
shared row's logit counts once for each row that it stands for.
"""

from functools import cache

import torch
from torch import Tensor
from whisper.tokenizer import Tokenizer, get_tokenizer

from .natural import vocabulary

N_VOCAB = 51_864  # openai-whisper's English-only models
LETTERS = " abcdefghijklmnopqrstuvwxyz'"  # labels of the auxiliary CTC head; 0 is the blank


@cache
def tokenizer() -> Tokenizer:
    """openai-whisper's English tokenizer."""
    return get_tokenizer(multilingual=False)


@cache
def used_tokens() -> tuple[int, ...]:
    """Token ids that any transcript over the vocabulary can contain, ascending, with the special ones needed.

    Words come after a space, as Whisper's transcripts begin with one.
    """
    encode = tokenizer().encode
    used = {tokenizer().sot, tokenizer().eot, tokenizer().no_timestamps, tokenizer().sot_prev}
    for word in vocabulary():
        for form in (word, word.capitalize()):
            used.update(encode(" " + form))
    for mark in (".", ",", "?"):
        used.update(encode(mark))
    return tuple(sorted(used))


@cache
def compact_index() -> Tensor:
    """For each of the `N_VOCAB` token ids its row in the compact table; the last row is the shared one."""
    rows = torch.full((N_VOCAB,), len(used_tokens()))
    rows[list(used_tokens())] = torch.arange(len(used_tokens()))
    return rows
