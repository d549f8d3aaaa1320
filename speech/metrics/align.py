"""Word alignment as NIST `sclite` makes it, many pairs at once in numpy.

sclite (SCTK 2.4.10) minimises 4 S + 3 D + 3 I and, where several alignments cost the same, walks back from the end
preferring a match or substitution, then an insertion, then a deletion. That is no detail: against a plain edit
distance the totals of tie-heavy texts differ, and S, D and I differ almost everywhere. Held against sclite itself,
utterance by utterance, in the tests.
"""

from collections.abc import Iterator, Sequence

import numpy as np

HIT, SUBSTITUTION, INSERTION, DELETION = range(4)
_SUBSTITUTION_COST, _GAP_COST = 4, 3
# Cells of the dynamic programme kept at a time. Longer texts are done in stripes, so that the memory for one hour
# against one hour (10,000 words each) is megabytes too.
_CELLS = 2_000_000
_PAIRS = 2048  # in one batch: texts of much the same length, so that little is padding


def alignments(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the index of each pair with its operations, shape = (steps,), in no order of pairs.

    Operations are `HIT`, `SUBSTITUTION`, `INSERTION` or `DELETION`, from the first word to the last.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references and {len(hypotheses)} hypotheses")
    order = sorted(range(len(references)), key=lambda i: (len(references[i]), len(hypotheses[i])))
    batch: list[int] = []
    longest = 0
    for index in order:
        longest_now = max(longest, len(hypotheses[index]))
        cells = (len(batch) + 1) * (len(references[index]) + 1) * (longest_now + 1)
        if batch and (cells > _CELLS or len(batch) == _PAIRS):
            yield from _aligned(batch, references, hypotheses)
            batch, longest_now = [], len(hypotheses[index])
        batch.append(index)
        longest = longest_now
    if batch:
        yield from _aligned(batch, references, hypotheses)


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> np.ndarray:
    """Return the operations of one pair, shape = (steps,)."""
    return next(alignments([reference], [hypothesis]))[1]


def _aligned(
    batch: list[int], references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]
) -> Iterator[tuple[int, np.ndarray]]:
    numbers: dict[str, int] = {}
    ref, ref_lengths = _matrix([references[i] for i in batch], numbers, padding=-1)
    hyp, hyp_lengths = _matrix([hypotheses[i] for i in batch], numbers, padding=-2)
    steps = _walk_back(ref, hyp, ref_lengths, hyp_lengths)
    for row, index in enumerate(batch):
        path = steps[:, row]
        yield index, path[path >= 0][::-1]


def _matrix(texts: list[Sequence[str]], numbers: dict[str, int], padding: int) -> tuple[np.ndarray, np.ndarray]:
    """Return words as numbers, shape = (texts, longest), and the lengths."""
    lengths = np.array([len(text) for text in texts])
    matrix = np.full((len(texts), int(lengths.max(initial=0))), padding, dtype=np.int32)
    for row, text in enumerate(texts):
        matrix[row, : len(text)] = [numbers.setdefault(word, len(numbers)) for word in text]
    return matrix, lengths


def _walk_back(ref: np.ndarray, hyp: np.ndarray, ref_lengths: np.ndarray, hyp_lengths: np.ndarray) -> np.ndarray:
    """Return operations from the last to the first, shape = (steps, pairs), -1 where a pair is done."""
    pairs, n_ref, n_hyp = len(ref), ref.shape[1], hyp.shape[1]
    stripe = max(1, _CELLS // (pairs * (n_hyp + 1)))
    starts = range(0, n_ref, stripe) or range(1)
    top = np.broadcast_to(_GAP_COST * np.arange(n_hyp + 1, dtype=np.int32), (pairs, n_hyp + 1))
    tops = [top]
    for start in starts[:-1]:
        tops.append(_stripe(ref[:, start : start + stripe], hyp, tops[-1], start)[0])
    at_ref, at_hyp, everyone = ref_lengths.copy(), hyp_lengths.copy(), np.arange(pairs)
    steps: list[np.ndarray] = []
    for start in reversed(starts):
        _, ways = _stripe(ref[:, start : start + stripe], hyp, tops.pop(), start, keep=True)
        floor = start if start else -1  # the first row of words ends the walk, any other only its stripe
        while True:
            here = (at_ref > floor) & ((at_ref > 0) | (at_hyp > 0))
            if not here.any():
                break
            way = ways[np.clip(at_ref - start, 0, len(ways) - 1), everyone, at_hyp]
            step = np.where(here, way, -1).astype(np.int8)
            at_ref -= here & (way != INSERTION)
            at_hyp -= here & (way != DELETION)
            steps.append(step)
    return np.array(steps, dtype=np.int8).reshape(len(steps), pairs)


def _stripe(
    ref: np.ndarray, hyp: np.ndarray, top: np.ndarray, start: int, keep: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the costs below the rows of `ref`, shape = (pairs, n_hyp + 1), and the way to each cell if asked for.

    The ways have shape = (rows + 1, pairs, n_hyp + 1); row 0 stands for the row above, reached by insertions.
    """
    pairs, rows = ref.shape
    gaps = _GAP_COST * np.arange(hyp.shape[1] + 1, dtype=np.int32)
    ways = np.full((rows + 1 if keep else 1, pairs, hyp.shape[1] + 1), INSERTION, dtype=np.int8)
    above = top
    for row in range(rows):
        wrong = ref[:, row, None] != hyp
        diagonal = above[:, :-1] + _SUBSTITUTION_COST * wrong
        costs = np.empty_like(above)
        costs[:, 0] = _GAP_COST * (start + row + 1)
        np.minimum(diagonal, above[:, 1:] + _GAP_COST, out=costs[:, 1:])
        # An insertion costs the same everywhere, so the best way along the row is a running minimum.
        costs = np.minimum.accumulate(costs - gaps, axis=1) + gaps
        if keep:
            way = ways[row + 1]
            way[:, 0] = DELETION
            inserted = costs[:, 1:] == costs[:, :-1] + _GAP_COST
            way[:, 1:] = np.where(costs[:, 1:] == diagonal, wrong, np.where(inserted, INSERTION, DELETION))
        above = costs
    return above, ways
