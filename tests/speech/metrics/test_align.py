"""The alignment against NIST sclite, utterance by utterance; what striping and batching may not change."""

import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from earspan.datasets import open_dataset
from earspan.speech.metrics import align as module
from earspan.speech.metrics.align import align, alignments
from earspan.speech.metrics.wer import ErrorRate, score_texts
from hypothesis import given, settings
from hypothesis import strategies as st

sclite = pytest.mark.skipif(shutil.which("sctk") is None, reason="needs sclite (Debian: apt-get install sctk)")
WORDS = st.lists(st.sampled_from("abcd"), max_size=9)


def tie_heavy_pairs(count: int, seed: int) -> list[tuple[list[str], list[str]]]:
    """Half of them unrelated texts from six words, half the same text with many errors; some are empty."""
    draw = random.Random(seed)
    words = [f"w{i}" for i in range(6)]
    pairs = []
    for _ in range(count):
        reference = [draw.choice(words) for _ in range(draw.randint(0, 25))]
        if draw.random() < 0.5:
            hypothesis = [draw.choice(words) for _ in range(draw.randint(0, 25))]
        else:
            hypothesis = damaged(reference, words, draw)
        pairs.append((reference, hypothesis))
    return pairs


def damaged(words: list[str], vocabulary: list[str], draw: random.Random) -> list[str]:
    """Words with every third wrong: a tenth left out, a fifth replaced, a tenth followed by another."""
    result = []
    for word in words:
        chance = draw.random()
        if chance < 0.1:
            continue
        result.append(draw.choice(vocabulary) if chance < 0.3 else word)
        if chance > 0.9:
            result.append(draw.choice(vocabulary))
    return result


def sclite_counts(pairs: list[tuple[list[str], list[str]]], folder: Path) -> list[ErrorRate]:
    """What sclite says of each pair, from its own account of the alignment."""
    for name, side in (("ref", 0), ("hyp", 1)):
        lines = [f"{' '.join(pair[side])} (s{i % 7}-{i})\n" for i, pair in enumerate(pairs)]
        (folder / f"{name}.trn").write_text("".join(lines))
    command = "sctk sclite -s -r ref.trn trn -h hyp.trn trn -i spu_id -o sgml stdout".split()
    out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    found: dict[int, ErrorRate] = {}
    for index, path in re.findall(r'<PATH id="\(s\d+-(\d+)\)"[^>]*>\n(.*)\n</PATH>', out):
        kinds = [step[0] for step in re.findall(r"(?:^|(?<=:))[CSDI],[^:]*", path)]
        c, s, d, i = (kinds.count(kind) for kind in "CSDI")
        found[int(index)] = ErrorRate(s, d, i, c + s + d)
    # Where both sides are empty sclite writes an empty path.
    return [found.get(i, ErrorRate.zero()) for i in range(len(pairs))]


@sclite
def test_counts_equal_sclite_on_tie_heavy_pairs(tmp_path: Path):
    pairs = tie_heavy_pairs(3000, seed=1)
    ours = score_texts([" ".join(r) for r, _ in pairs], [" ".join(h) for _, h in pairs], "none")
    theirs = sclite_counts(pairs, tmp_path)
    assert ours == theirs
    assert sum(ours, ErrorRate.zero()).errors > 20_000


@sclite
def test_counts_equal_sclite_on_talks(tmp_path: Path):
    draw = random.Random(2)
    pairs = []
    for entry in open_dataset("talks"):
        words = re.sub(r"[^a-z ]", "", entry.text.lower()).split()
        pairs += [(words, damaged(words, words, draw)) for _ in range(2)]
    ours = score_texts([" ".join(r) for r, _ in pairs], [" ".join(h) for _, h in pairs], "none")
    assert ours == sclite_counts(pairs, tmp_path)
    assert sum(ours, ErrorRate.zero()).errors > 1000


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [("", "", ""), ("a b", "", "DD"), ("", "a b", "II"), ("a b c", "a b c", "HHH"), ("a b c", "a x c", "HSH"),
     # An insertion and a deletion are worth a match (6 against 8), three of each are not (18 against 16).
     ("a b", "x a", "IHD"), ("a b c d", "x y z a", "SSSS")],
)  # fmt: skip
def test_planted_alignments(reference: str, hypothesis: str, expected: str):
    assert "".join("HSID"[step] for step in align(reference.split(), hypothesis.split())) == expected


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6), st.integers(1, 60))
def test_stripes_and_batches_do_not_show(pairs: list[tuple[list[str], list[str]]], cells: int):
    whole = {i: steps.tolist() for i, steps in alignments(*zip(*pairs, strict=True))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CELLS", cells)
        assert {i: steps.tolist() for i, steps in alignments(*zip(*pairs, strict=True))} == whole
    for i, (reference, hypothesis) in enumerate(pairs):
        assert np.array_equal(align(reference, hypothesis), whole[i])


@settings(deadline=None)
@given(WORDS, WORDS)
def test_operations_turn_the_reference_into_the_hypothesis(reference: list[str], hypothesis: list[str]):
    at_ref, result = 0, []
    for step in align(reference, hypothesis):
        at_hyp = len(result)
        if step == module.HIT:
            assert reference[at_ref] == hypothesis[at_hyp]
        if step == module.SUBSTITUTION:
            assert reference[at_ref] != hypothesis[at_hyp]
        if step != module.DELETION:
            result.append(hypothesis[at_hyp])
        at_ref += step != module.INSERTION
    assert (at_ref, result) == (len(reference), hypothesis)


def test_two_lists_of_unequal_length_are_a_mistake():
    with pytest.raises(ValueError, match="1 references and 0 hypotheses"):
        next(alignments([["a"]], []))
