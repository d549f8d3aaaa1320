"""MAPSSWE against NIST sc_stats; the paired bootstrap on planted differences and on none."""

import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from earspan.speech.metrics.align import align, alignments
from earspan.speech.metrics.significance import mapsswe, paired_bootstrap, segment_errors
from earspan.speech.metrics.wer import ErrorRate

sctk = pytest.mark.skipif(shutil.which("sctk") is None, reason="needs sc_stats (Debian: apt-get install sctk)")
Texts = list[list[str]]


def two_systems(seed: int) -> tuple[Texts, Texts, Texts]:
    """150 utterances and two transcripts of them, of 5 to 20 % errors, the second better, worse or as good."""
    draw, words = random.Random(seed), [f"w{i}" for i in range(200)]
    rate = draw.uniform(0.05, 0.2)
    other = rate * draw.choice([0.7, 0.85, 0.9, 1, 1.1, 1.2])
    references = [[draw.choice(words) for _ in range(draw.randint(5, 25))] for _ in range(150)]

    def transcript(reference: list[str], rate: float) -> list[str]:
        heard = []
        for word in reference:
            chance = draw.random()
            if chance >= rate * 0.3:
                heard.append(draw.choice(words) if chance < rate else word)
            if draw.random() < rate * 0.2:
                heard.append(draw.choice(words))
        return heard

    return references, [transcript(r, rate) for r in references], [transcript(r, other) for r in references]


def sc_stats(references: Texts, a: Texts, b: Texts, folder: Path) -> tuple[int, float, bool]:
    """Segments, Z and whether the difference is significant, by NIST's own programs."""
    for name, texts in (("ref", references), ("a", a), ("b", b)):
        lines = [f"{' '.join(text)} (s{i % 5}-{i})\n" for i, text in enumerate(texts)]
        (folder / f"{name}.trn").write_text("".join(lines))
    both = ""
    for name in "ab":
        command = f"sctk sclite -s -r ref.trn trn -h {name}.trn trn -i spu_id -o sgml stdout".split()
        both += subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    command = "sctk sc_stats -p -t mapsswe -v -n out".split()
    subprocess.run(command, cwd=folder, input=both, capture_output=True, text=True, check=True)
    report = (folder / "out.stats.mapsswe").read_text()
    found = re.search(r"# segs: (\d+)\).*\(Z Stat:\s*([-\d.]+)\) \(Stat Diff: (\w+)\)", report)
    assert found
    return int(found[1]), float(found[2]), found[3] == "Yes"


@sctk
def test_mapsswe_equals_sc_stats(tmp_path: Path):
    verdicts = []
    for seed in range(12):
        references, a, b = two_systems(seed)
        steps_a, steps_b = (dict(alignments(references, side)) for side in (a, b))
        ours = mapsswe([steps_a[i] for i in range(150)], [steps_b[i] for i in range(150)])
        segments, z, significant = sc_stats(references, a, b, tmp_path)
        assert ours.segments == segments
        assert ours.z == pytest.approx(z, abs=6e-4)
        assert ours.significant == significant
        verdicts.append(significant)
    assert 2 < sum(verdicts) < 10  # both verdicts were met


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("a b c d e f", "a b c d e f", []),
        ("x b c d e f", "a b c d e y", [(1, 0), (0, 1)]),
        ("a x c y e f", "a b c d e f", [(2, 0)]),  # one right word between is no boundary
        ("a x c d y f", "a b c d e f", [(1, 0), (1, 0)]),
        ("a b c d e f g g", "a b c d e f g", [(2, 1)]),  # both end in insertions
        ("", "a b c d e f", [(6, 0)]),
    ],
)
def test_segments(a: str, b: str, expected: list[tuple[int, int]]):
    reference = "a b c d e f".split()
    assert segment_errors(align(reference, a.split()), align(reference, b.split())) == expected


def test_equal_transcripts_have_no_test():
    steps = [align("a b c".split(), "a x c".split())] * 5
    result = mapsswe(steps, steps)
    assert (result.segments, result.z, result.significant) == (5, None, False)


def rates(errors: list[int], words: int = 100) -> list[ErrorRate]:
    return [ErrorRate(count, 0, 0, words) for count in errors]


def test_a_difference_that_every_speaker_shows_is_significant():
    generator = np.random.default_rng(0)
    a = generator.integers(5, 40, 20)
    better = paired_bootstrap(rates(a.tolist()), rates((a - generator.integers(1, 4, 20)).tolist()))
    assert better is not None
    assert better.significant
    assert better.interval[0] < better.difference < better.interval[1] < 0
    # The same two sets unpaired: speakers differ far more among each other than the two sides do.
    assert better.interval[1] - better.interval[0] < 0.02


def test_no_difference_is_found_significant_about_as_often_as_it_should():
    generator, found = np.random.default_rng(5), 0
    for trial in range(200):
        difficulty = generator.beta(4, 36, 20)
        a, b = (generator.binomial(300, difficulty).tolist() for _ in range(2))
        result = paired_bootstrap(rates(a, 300), rates(b, 300), seed=trial, replicates=500)
        found += result is not None and result.significant
    assert 2 <= found <= 20  # 10 expected; the binomial's 99.9 % range


def test_the_bootstrap_is_seeded_and_symmetric():
    a, b = rates([5, 9, 1, 7, 3]), rates([6, 6, 2, 7, 5])
    one, again, reverse = paired_bootstrap(a, b), paired_bootstrap(a, b), paired_bootstrap(b, a)
    assert one == again
    assert one is not None
    assert reverse is not None
    assert reverse.difference == -one.difference
    assert reverse.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert not one.significant


def test_what_cannot_be_compared():
    assert paired_bootstrap(rates([1]), rates([2])) is None
    assert paired_bootstrap(rates([1, 2], 0), rates([2, 3], 0)) is None
    with pytest.raises(ValueError, match="different references"):
        paired_bootstrap(rates([1, 2]), rates([1, 2], 99))
    with pytest.raises(ValueError, match="different references"):
        mapsswe([align(["a"], ["a"])], [align(["a", "b"], ["a"])])
