"""What `pocket` writes and is taught to hear: tokens, letters, phonemes.

Its tokens are the first thousand of Whisper's 51,864: byte pairs merged no further than that. Common words are one
token, a rare word is a few that common ones have taught already, where a token of its own would have to be learnt from
the few times that the word is said. All other tokens share one trained row, so that the checkpoint stores and the
training multiplies a small table, while the softmax stays that of the full one: the shared row's logit counts once for
each row that it stands for.
"""

import re
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from whisper.tokenizer import Tokenizer, get_tokenizer

from ..tokens import merging_less
from .natural import pronunciations

N_VOCAB = 51_864  # openai-whisper's English-only models
N_MERGED = 1024  # tokens of text; 1.9 a word in `talks`, and in 14 h of the corpus 3 of 4 are said 100 times
LETTERS = " abcdefghijklmnopqrstuvwxyz'"  # labels of the auxiliary CTC head; 0 is the blank


@cache
def tokenizer() -> Tokenizer:
    """openai-whisper's English tokenizer, writing with the tokens of `pocket` alone."""
    return merging_less(get_tokenizer(multilingual=False), N_MERGED)


@cache
def used_tokens() -> tuple[int, ...]:
    """Token ids that a transcript can contain, ascending, with the special ones needed."""
    special = tokenizer()
    return (*range(N_MERGED), *sorted((special.sot, special.eot, special.no_timestamps, special.sot_prev)))


@cache
def phonemes() -> tuple[str, ...]:
    """The labels of the CTC head over phonemes, in order; the blank comes before them."""
    return tuple(sorted({phoneme for sounds in pronunciations().values() for phoneme in sounds}))


def letters_of(words: Sequence[str]) -> list[int]:
    """Labels of the words as they are spelled, with spaces between them."""
    return [1 + LETTERS.index(letter) for letter in " ".join(words).lower() if letter in LETTERS]


def phonemes_of(words: Sequence[str]) -> list[int]:
    """Labels of the words as they are spoken. Raises `KeyError` for a word outside the vocabulary."""
    plain = (re.sub(r"[^a-z']", "", word.lower()).strip("'") for word in words)
    return [_labels()[phoneme] for word in plain if word for phoneme in pronunciations()[word]]


@cache
def _labels() -> dict[str, int]:
    return {phoneme: 1 + index for index, phoneme in enumerate(phonemes())}


@cache
def compact_index() -> Tensor:
    """For each of the `N_VOCAB` token ids its row in the compact table; the last row is the shared one."""
    rows = torch.full((N_VOCAB,), len(used_tokens()))
    rows[list(used_tokens())] = torch.arange(len(used_tokens()))
    return rows
