"""Scores against a textbook edit distance and planted answers; intervals against known ones."""

import statistics

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.speech.metrics.normalise import normalise, normaliser_names, normaliser_version
from earspan.speech.metrics.wer import ErrorRate, score_text, tail_probability, tail_share, wer_interval
from hypothesis import given, settings
from hypothesis import strategies as st

UNTIMED = settings(deadline=None)  # the first call imports torch
# Few words, so that ties and repeats are common.
WORDS = st.lists(st.sampled_from(["ant", "bee", "cow", "dog"]), max_size=12)
RATES = st.builds(ErrorRate, *(st.integers(0, 50) for _ in range(3)), ref_words=st.integers(1, 300))


def edit_cost(reference: list[str], hypothesis: list[str], substitution: int, gap: int) -> int:
    """Wagner & Fischer, by the book."""
    row = [gap * j for j in range(len(hypothesis) + 1)]
    for i, word in enumerate(reference, 1):
        previous, row = row, [gap * i]
        for j, other in enumerate(hypothesis, 1):
            row.append(min(previous[j] + gap, row[-1] + gap, previous[j - 1] + substitution * (word != other)))
    return row[-1]


def cost(score: ErrorRate) -> int:
    """What sclite's alignment minimises."""
    return 4 * score.substitutions + 3 * (score.deletions + score.insertions)


@UNTIMED
@given(WORDS, WORDS, st.sampled_from(normaliser_names()))
def test_costs_equal_a_textbook_alignment(reference: list[str], hypothesis: list[str], normaliser: str):
    score = score_text(" ".join(reference), " ".join(hypothesis), normaliser)
    assert cost(score) == edit_cost(reference, hypothesis, 4, 3)
    assert score.errors >= edit_cost(reference, hypothesis, 1, 1)
    assert score.ref_words == len(reference)
    assert score.insertions - score.deletions == len(hypothesis) - len(reference)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "normaliser", "expected"),
    [
        ("the cat sat", "the cat sat", "whisper", ErrorRate(0, 0, 0, 3)),
        ("the cat sat", "the bat sat down", "whisper", ErrorRate(1, 0, 1, 3)),
        ("the cat sat", "cat sat", "whisper", ErrorRate(0, 1, 0, 3)),
        ("", "one extra pair", "whisper", ErrorRate(0, 0, 3, 0)),
        ("some words here", "", "whisper", ErrorRate(0, 3, 0, 3)),
        ("", "", "whisper", ErrorRate.zero()),
        # Case, punctuation, fillers, contractions, spelling and numbers are no errors under these rules ...
        (
            "It's the colour of 21 cats.",
            "um, it is the color of twenty-one cats",
            "whisper",
            ErrorRate(0, 0, 0, 7),
        ),
        # ... and a reference of fillers and notes only is an empty one.
        ("[applause] uh (laughs)", "yes", "whisper", ErrorRate(0, 0, 1, 0)),
        ("The  cat\tsat.", "the cat sat.", "none", ErrorRate(1, 0, 0, 3)),
        ("wide\u00a0space", "wide space", "none", ErrorRate(0, 0, 0, 2)),
    ],
)
def test_planted_errors(reference: str, hypothesis: str, normaliser: str, expected: ErrorRate):
    assert score_text(reference, hypothesis, normaliser) == expected


@UNTIMED
@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(normaliser_names()))
def test_any_text_scores_and_scores_zero_against_itself(reference: str, hypothesis: str, normaliser: str):
    score = score_text(reference, hypothesis, normaliser)
    assert score.substitutions + score.deletions <= score.ref_words
    assert score_text(reference, reference, normaliser).errors == 0


@pytest.mark.parametrize(
    "text",
    ["I can't; won't! Mr. Smith paid $20.50 for two-and-a-half kg.", "colour, 1,000 twenty-four", "", "uh"],
)
def test_normalising_twice_changes_nothing(text: str):
    assert normalise(normalise(text)) == normalise(text)


def test_normalisers_are_named_and_versioned():
    assert normaliser_version().startswith("whisper (openai-whisper 2")
    assert "sha256" in normaliser_version()
    assert normaliser_version("none") != normaliser_version()
    for call in (normaliser_version, lambda normaliser: score_text("a", "b", normaliser)):
        with pytest.raises(InputError, match="unknown scoring normaliser 'whispr'; did you mean 'whisper'"):
            call("whispr")


@UNTIMED
@given(st.lists(RATES, max_size=6))
def test_sum_pools(rates: list[ErrorRate]):
    pooled = sum(rates, ErrorRate.zero())
    assert pooled.errors == sum(rate.errors for rate in rates)
    assert pooled.ref_words == sum(rate.ref_words for rate in rates)
    if rates:
        assert sum(rates) == pooled


@UNTIMED
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_pooled_scores_never_beat_the_whole_text(pairs: list[tuple[list[str], list[str]]]):
    # One alignment across all recordings may only find a cheaper path than the recordings apart.
    apart = sum((score_text(" ".join(r), " ".join(h)) for r, h in pairs), ErrorRate.zero())
    whole = score_text(" ".join(w for r, _ in pairs for w in r), " ".join(w for _, h in pairs for w in h))
    assert cost(whole) <= cost(apart)
    assert whole.ref_words == apart.ref_words


def test_rates_cannot_be_averaged_by_accident():
    short, long = ErrorRate(1, 0, 0, 1), ErrorRate(0, 0, 0, 99)
    assert (short + long).rate == 0.01
    with pytest.raises(TypeError):
        statistics.mean([short, long])  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(TypeError):
        _ = sum([short, long]) / 2  # pyright: ignore[reportOperatorIssue]
    with pytest.raises(TypeError):
        sum([short, 0.5])  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_a_rate_without_reference_is_null():
    rate = ErrorRate(0, 0, 4, 0)
    assert rate.rate is None


@UNTIMED
@given(st.lists(RATES, min_size=3, max_size=12), st.integers(0, 9))
def test_the_interval_is_seeded_and_lies_among_the_recordings(rates: list[ErrorRate], seed: int):
    interval = wer_interval(rates, seed)
    assert interval is not None
    assert interval == wer_interval(rates, seed)
    each = [rate.errors / rate.ref_words for rate in rates]
    low, high = interval
    assert min(each) - 1e-12 <= low <= high <= max(each) + 1e-12


def test_the_interval_of_equal_recordings_is_normal_theory():
    # Mean of 400 coin tosses: sd of the mean = sqrt(p (1 - p) / n) = 0.02, so 95 % is 0.2 +- 1.96 * 0.02.
    rates = [ErrorRate(int(i % 5 == 0), 0, 0, 1) for i in range(400)]
    assert wer_interval(rates, replicates=20_000) == pytest.approx((0.1608, 0.2392), abs=0.004)


def test_the_interval_contains_the_pooled_rate_and_widens_with_the_level():
    generator = np.random.default_rng(4)
    rates = [ErrorRate(int(generator.binomial(n, 0.1)), 0, 0, n) for n in generator.integers(50, 500, 20).tolist()]
    point = sum(rates, ErrorRate.zero()).rate
    narrow, wide = wer_interval(rates, level=0.5), wer_interval(rates, level=0.99)
    assert narrow is not None
    assert wide is not None
    assert point is not None
    assert wide[0] < narrow[0] < point < narrow[1] < wide[1]


def test_blocks_do_not_show():
    # 600 recordings need several blocks at 2,000 replicates; a plain loop over the same stream is the oracle.
    generator = np.random.default_rng(1)
    rates = [ErrorRate(int(e), 0, 0, 100) for e in generator.integers(0, 30, 600)]
    stream, errors = np.random.default_rng(7), np.array([rate.errors for rate in rates])
    loop = [errors[stream.integers(600, size=600)].sum() / 60_000 for _ in range(2000)]
    # Student's t at 97.5 % with 599 degrees is 1.9639, and the bootstrap's spread is sqrt(599 / 600) of the sample's.
    outside = statistics.NormalDist().cdf(-1.9639 * (600 / 599) ** 0.5)
    assert wer_interval(rates, seed=7) == pytest.approx(tuple(np.quantile(loop, [outside, 1 - outside])), rel=1e-4)


@pytest.mark.parametrize(("units", "student"), [(8, 2.3646), (20, 2.0930), (1000, 1.9623)])
def test_few_units_widen_the_interval_as_student_says(units: int, student: float):
    expected = statistics.NormalDist().cdf(-student * (units / (units - 1)) ** 0.5)
    assert tail_share(0.025, units) == pytest.approx(expected, rel=0.02)
    assert tail_probability(tail_share(0.025, units), units) == pytest.approx(0.025)


@pytest.mark.parametrize("speakers", [20, 60])
def test_the_interval_covers_the_true_rate(speakers: int):
    """Speakers whose true error rates are Beta(4, 36), mean 10 %, with 100 to 400 words each."""
    generator, trials, covered = np.random.default_rng(speakers), 400, 0
    for trial in range(trials):
        words = generator.integers(100, 400, speakers)
        errors = generator.binomial(words, generator.beta(4, 36, speakers))
        rates = [ErrorRate(e, 0, 0, n) for e, n in zip(errors.tolist(), words.tolist(), strict=True)]
        low, high = wer_interval(rates, seed=trial, replicates=500) or (1.0, 0.0)
        covered += low <= 0.1 <= high
    assert 0.93 <= covered / trials <= 0.97


def test_no_interval_where_none_can_be_had():
    assert wer_interval([]) is None
    assert wer_interval([ErrorRate(1, 0, 0, 10)]) is None
    assert wer_interval([ErrorRate(0, 0, 1, 0), ErrorRate(0, 0, 2, 0)]) is None
    # Silent recordings among others add their insertions, and a draw of silence only is left out.
    interval = wer_interval([ErrorRate(0, 0, 1, 0), ErrorRate(1, 0, 0, 10)])
    assert interval is not None
    assert interval[0] == pytest.approx(0.1)
