"""What the decoder of `pocket` reads and is to write for a clip, and the mistakes in what it reads.

In live use it reads what it wrote itself, errors and all; in training the truth. So the truth is spoilt here and
there: single tokens are others, by chance or as it would write them now, and phrases are said again, after which it is
to find its place in the audio.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...datasets.audio import SAMPLE_RATE
from .natural import words_of
from .text import homophones
from .vocabulary import compact_index, tokenizer, used_tokens

IGNORE = -100
NO_SPAN = (-1.0, -1.0)
PROMPT_SHARE = 0.3
LONGEST_PROMPT = 80  # words
# Of the decoder's input tokens, replaced by random ones. A tenth was too much for words in pieces: a word's next piece
# needs to know the last one, and what came out was misspelt ("forressts").
SPOILT_TOKEN_SHARE = 0.01
OWN_TOKEN_SHARE = 0.3  # replaced by those it writes there itself: what is not an error stays
STUTTER_SHARE = 0.3  # of the clips
AT_THE_END_SHARE = 0.5  # of the stutters: it loops most where nothing is left to hear
# A word that sounds like another is one in five, and to spell it wrongly is cheap: what noise hides costs far more.
HOMOPHONE_WEIGHT = 4.0
LONGEST_PASSAGE = 40  # tokens said again: a long passage once, a short phrase up to 40 times

TimedWord = tuple[str, float, float]  # text, start and end in seconds


@dataclass(frozen=True, slots=True)
class Clip:
    """Audio for one row of a batch: float32 samples, the words heard in it, the words spoken before it, by whom."""

    audio: np.ndarray
    words: list[TimedWord]
    before: list[str]
    voice: str = ""  # of the last piece, "" where nobody speaks


def longest_prompt(rng: np.random.Generator) -> int:
    """Words that the prompts of a batch have at most: more often few, as every row is padded to the longest."""
    return 1 + int(LONGEST_PROMPT * rng.random() ** 2)


def write_out(rng: np.random.Generator, clip: Clip, most_words: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The transcript of a clip, `PROMPT_SHARE` of the time after what was said before, as Whisper is prompted.

    `STUTTER_SHARE` of the time a phrase of it is read again. Returns compact ids to read, shape = (tokens,); the token
    to write after each of them, IGNORE where it is given or within what is said again, same shape; the times of the
    words that the latter belong to, shape = (tokens, 2); and how much each counts, shape = (tokens,). The end mark's
    times are those of what is left after the last word: a decoder that is to look nowhere in particular then may not
    stop where a window ends within a sentence.
    """
    special = tokenizer()
    prompt = []
    if clip.before and rng.random() < PROMPT_SHARE:
        before = clip.before[-int(rng.integers(1, most_words + 1)) :]
        prompt = [special.sot_prev, *special.encode(" " + " ".join(before))]
    # Byte pairs never cross a space: the tokens of a text are those of its words.
    pieces = [(special.encode(" " + word), start_s, end_s) for word, start_s, end_s in clip.words]
    given = [*prompt, special.sot, special.no_timestamps]
    text = [token for ids, _, _ in pieces for token in ids]
    times = [(start_s, end_s) for ids, start_s, end_s in pieces for _ in ids]
    counts = [1.0 if homophones().isdisjoint(words_of(word)) else HOMOPHONE_WEIGHT for word, _, _ in clip.words]
    weights = [count for count, (ids, _, _) in zip(counts, pieces, strict=True) for _ in ids]
    unknown = len(given) - 1
    length_s = len(clip.audio) / SAMPLE_RATE
    rest = (min(length_s, max((end_s for _, end_s in times), default=0.0)), length_s)
    rows = [
        *zip(given[:-1], [IGNORE] * unknown, [NO_SPAN] * unknown, [1.0] * unknown, strict=True),
        *zip([given[-1], *text], [*text, special.eot], [*times, rest], [*weights, 1.0], strict=True),
    ]
    if text and rng.random() < STUTTER_SHARE:
        rows = stutter(rng, rows, len(given))
    read, written, spans, weights = zip(*rows, strict=True)
    ids, targets = compact_index(), torch.tensor(written)
    targets = torch.where(targets == IGNORE, IGNORE, ids[targets.clamp(min=0)])
    return ids[list(read)], targets, torch.tensor(spans, dtype=torch.float32), torch.tensor(weights)


Row = tuple[int, int, tuple[float, float], float]  # token read, token to write, its word's times, its weight


def stutter(rng: np.random.Generator, rows: list[Row], given: int) -> list[Row]:
    """`rows` in which a phrase after the first `given` tokens is read again, `LONGEST_PASSAGE` tokens at most.

    A greedy decoder that has repeated a phrase is likely to repeat it for ever, if it never learnt to go on: after
    each time it is to write what follows the first. One that has jumped back tells a whole passage again.
    """
    end = len(rows) if rng.random() < AT_THE_END_SHARE else int(rng.integers(given + 1, len(rows) + 1))
    length = 1 + int(min(LONGEST_PASSAGE, end - given) * rng.random() ** 2)  # more often few
    times = 1 + int(LONGEST_PASSAGE // length * rng.random() ** 2)
    again = [(read, IGNORE, NO_SPAN, 1.0) for read, *_ in rows[end - length : end - 1]]
    return [*rows[:end], *([*again, rows[end - 1]] * times), *rows[end:]]


def spoil(rng: np.random.Generator, tokens: Tensor) -> Tensor:
    """Compact ids in which `SPOILT_TOKEN_SHARE` are random ones, so that it learns to listen and not to go on by rote.

    Marks such as the start of the transcript stay.
    """
    spoilt = torch.from_numpy(rng.random(tokens.shape) < SPOILT_TOKEN_SHARE).to(tokens.device) & ~_is_mark(tokens)
    others = torch.from_numpy(rng.integers(0, len(used_tokens()), tokens.shape)).to(tokens.device)
    return torch.where(spoilt, others, tokens)


def with_own_errors(rng: np.random.Generator, tokens: Tensor, targets: Tensor, written: Tensor) -> Tensor:
    """`tokens`, `OWN_TOKEN_SHARE` of which are what the decoder wrote there, errors and all.

    All are of shape = (batch, tokens): after each of `tokens` it wrote `written`, where `targets` is right. Marks stay.
    One pass over the truth tells what it would write, not one for each token ("parallel scheduled sampling",
    Duckworth et al. 2019, arXiv 1906.04331).
    """
    own = torch.cat([tokens[:, :1], written[:, :-1]], dim=1)
    has_own = torch.cat([torch.zeros_like(targets[:, :1]).bool(), targets[:, :-1] != IGNORE], dim=1)
    drawn = torch.from_numpy(rng.random(tokens.shape) < OWN_TOKEN_SHARE).to(tokens.device)
    return torch.where(drawn & has_own & ~_is_mark(own) & ~_is_mark(tokens), own, tokens)


def _is_mark(tokens: Tensor) -> Tensor:
    marks = compact_index()[list(tokenizer().special_tokens.values())]
    return torch.isin(tokens, marks.to(tokens.device))
