"""A tokenizer that merges fewer byte pairs than Whisper's, for models that were trained on some of its tokens only."""

from collections.abc import Sequence
from dataclasses import fields
from functools import cache

import tiktoken
from whisper.tokenizer import Tokenizer

_BYTES = 256


class _MergingLess(Tokenizer):
    """Reads every token, writes text with those below `merged` only."""

    merged: int

    def encode(self, text: str, **kwargs) -> list[int]:
        return _first_merges(self.encoding, self.merged).encode(text, **kwargs)


@cache  # tokenizers are made anew for every use, and an encoding takes some 50,000 tokens to make
def _first_merges(whole: tiktoken.Encoding, merged: int) -> tiktoken.Encoding:
    ranks = {piece: token for piece, token in whole._mergeable_ranks.items() if token < merged}
    return tiktoken.Encoding(f"{whole.name}-{merged}", pat_str=whole._pat_str, mergeable_ranks=ranks, special_tokens={})


def merging_less(tokenizer: Tokenizer, merged: int) -> Tokenizer:
    """`tokenizer`, whose `encode` gives tokens below `merged` only: bytes, and the pairs that were merged first.

    Byte-pair encodings (Sennrich et al. 2016) number their tokens in the order of merging, so the first `merged` are an
    encoding of their own. Decoding is the same. `merged`: at least 256, for the bytes themselves.
    """
    less = _MergingLess(**{field.name: getattr(tokenizer, field.name) for field in fields(tokenizer)})
    less.merged = merged
    return less


def merged_tokens(token_ids: Sequence[int]) -> int | None:
    """How many of Whisper's tokens, from the first on without a gap, are among `token_ids`; None if bytes are missing.

    A model that knows these can write everything with them.
    """
    merged = next((n for n, token in enumerate(sorted(token_ids)) if n != token), len(token_ids))
    return merged if merged >= _BYTES else None
