"""Text without sound: the decoder of `pocket` learns the language from far more of it than can be synthesised.

Which of two words that sound the same is said, the words around them tell, and an hour of speech holds few of them. So
beside each batch that it hears the decoder may read a page that it does not: it attends to a single state of zeros, as
no audio gives it, and guesses each token from those before. What it learns so of the language, it has where it hears,
too (the internal language model of Meng et al. 2021, arXiv 2110.05354, trained on text alone).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .learner import PocketTrainer, faster_precision
from .targets import weight_of
from .text import TextSource
from .vocabulary import compact_index, tokenizer

ROWS = 16  # of a page, all workers together: four times the tokens of the audio in a step
LENGTH = 160  # tokens of text in a row: those of 30 s
NATURAL_SHARE = 1.0  # of its sentences: a list without grammar teaches nothing here


def draw_page(seed: tuple[int, ...], rows: int) -> tuple[Tensor, Tensor]:
    """Compact ids of text after the marks that a transcript begins with, and how much each counts where it is written.

    Both shape = (rows, LENGTH + 2); the marks count nothing.
    """
    special, rng = tokenizer(), np.random.default_rng(seed)
    given = [special.sot, special.no_timestamps]
    tokens, weights = [], []
    for _ in range(rows):
        source = TextSource(int(rng.integers(2**31)), list_share=0.0, natural_share=NATURAL_SHARE)
        ids: list[int] = []
        counts: list[float] = []
        while len(ids) < LENGTH:
            for word in source.sentence().split():
                pieces = special.encode(" " + word)
                ids += pieces
                counts += [weight_of(word)] * len(pieces)
        tokens.append([*given, *ids[:LENGTH]])
        weights.append([0.0] * len(given) + counts[:LENGTH])
    return compact_index()[torch.tensor(tokens)], torch.tensor(weights)


def reading_loss(model: PocketTrainer, tokens: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of the decoder that guesses each of `tokens` from those before it and hears nothing.

    Both shape = (rows, tokens); `weights` is how much each counts, the mean is over what counts.
    """
    nothing = torch.zeros(len(tokens), 1, model.whisper.dims.n_audio_state, device=tokens.device)
    with faster_precision(tokens.device):
        logits = model.write(tokens[:, :-1], nothing)
    each = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    counted = weights[:, 1:].flatten()
    return (each * counted).sum() / counted.sum()
