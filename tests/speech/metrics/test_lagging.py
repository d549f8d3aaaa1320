"""The lagging family against its published formulas, written out sum by sum, and hand-made streams."""

import pytest
from earspan.datasets import Word
from earspan.speech.metrics.lagging import aware, dal, laal, long_yaal, stream_laal, unaware, utterances, yaal
from earspan.speech.metrics.latency import Emitted
from earspan.speech.metrics.pairing import pair_words
from hypothesis import given, settings
from hypothesis import strategies as st

DELAYS = st.lists(st.floats(0.1, 12), min_size=1, max_size=10).map(sorted)
LENGTHS = st.floats(0.5, 10)


@settings(deadline=None)
@given(DELAYS, LENGTHS, st.integers(1, 15))
def test_laal_is_the_published_sum(delays_s: list[float], source_s: float, ref_words: int):
    # (1/tau) sum_{i=1}^{tau} d_i - (i-1) |X| / max(|Y|, |Y*|), tau = first i with d_i >= |X|; SimulEval returns d_1
    # where that alone is later than the audio.
    late = [i for i in range(1, len(delays_s) + 1) if delays_s[i - 1] >= source_s]
    tau = late[0] if late else len(delays_s)
    gamma = max(len(delays_s), ref_words) / source_s
    expected = sum(delays_s[i - 1] - (i - 1) / gamma for i in range(1, tau + 1)) / tau
    if delays_s[0] > source_s:
        expected = delays_s[0]
    assert laal(delays_s, source_s, ref_words) == pytest.approx(expected)


@settings(deadline=None)
@given(DELAYS, LENGTHS)
def test_dal_is_the_published_sum(delays_s: list[float], source_s: float):
    # d'_i = max(d_i, d'_{i-1} + 1/gamma) unrolled: the latest of d_j + (i - j) / gamma; gamma = |Y| / |X|.
    count = len(delays_s)
    gamma = count / source_s
    minimal = [max(delays_s[j] + (i - j) / gamma for j in range(i + 1)) for i in range(count)]
    assert dal(delays_s, source_s) == pytest.approx(sum(d - i / gamma for i, d in enumerate(minimal)) / count)


@settings(deadline=None)
@given(DELAYS, LENGTHS, st.integers(1, 15), st.floats(0, 15))
def test_yaal_leaves_out_what_came_after_the_end(delays_s: list[float], source_s: float, words: int, until_s: float):
    gamma = max(len(delays_s), words) / source_s
    for end_s, found in (
        (source_s, yaal(delays_s, source_s, words)),
        (until_s, yaal(delays_s, source_s, words, until_s)),
    ):
        terms = [d - i / gamma for i, d in enumerate(delays_s) if d < end_s]
        assert found == (pytest.approx(sum(terms) / len(terms)) if terms else None)


def test_a_speaker_as_even_as_the_ideal_lags_by_its_delay():
    delays_s = [i + 0.75 for i in range(8)]  # 8 words in 8 s, each 0.75 s after the ideal
    assert laal(delays_s, 8.0, 8) == pytest.approx(0.75)
    assert dal(delays_s, 8.0) == pytest.approx(0.75)
    assert yaal(delays_s, 8.0, 8) == pytest.approx(0.75)
    assert laal([], 8.0, 8) is dal([], 8.0) is yaal([], 8.0, 8) is None


WORDS = [Word(text, float(i), i + 0.5) for i, text in enumerate("Some day it rained. Then it was dry. The end".split())]


def heard(*texts_at: tuple[str, float]) -> list[Emitted]:
    return [Emitted(text, at_s, at_s - 1, 0) for text, at_s in texts_at]


def split(shown: list[Emitted]) -> list[list[str]]:
    pairs = pair_words([word.text for word in WORDS], [word.text for word in shown])
    return [[word.text for word in one.shown] for one in utterances(WORDS, shown, pairs)]


def test_committed_words_are_cut_at_the_sentences_of_the_reference():
    perfect = heard(*((word.text, word.end_s + 2) for word in WORDS))
    assert split(perfect) == [["Some", "day", "it", "rained."], ["Then", "it", "was", "dry."], ["The", "end"]]
    assert split(heard(("day", 1), ("rained", 2), ("uh", 2), ("then", 3), ("it", 4), ("uh", 4), ("end", 9))) == [
        ["day", "rained", "uh"],
        ["then", "it", "uh"],
        ["end"],
    ]
    assert split([]) == [[], [], []]
    assert utterances([], [], []) == []
    assert [one.ref_words for one in utterances([Word("so", 0, 1)], [], [])] == [1]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["some", "day", "it", "then", "was", "end", "rained", "dry"]), max_size=7))
def test_the_cut_costs_no_more_errors_than_any_other(texts: list[str]):
    """mwerSegmenter's criterion by brute force, at sclite's costs (4 S + 3 D + 3 I)."""

    def cost(reference: list[str], words: list[str]) -> int:
        row = [3 * j for j in range(len(words) + 1)]
        for i, said in enumerate(reference, 1):
            above, row = row, [3 * i]
            for j, other in enumerate(words, 1):
                row.append(min(above[j] + 3, row[-1] + 3, above[j - 1] + 4 * (said != other)))
        return row[-1]

    sentences = [["some", "day", "it", "rained"], ["then", "it", "was", "dry"], ["the", "end"]]
    found = split(heard(*((text, 1.0) for text in texts)))
    assert [word for part in found for word in part] == texts
    count = len(texts)
    best = min(
        sum(cost(s, p) for s, p in zip(sentences, (texts[:a], texts[a:b], texts[b:]), strict=True))
        for a in range(count + 1)
        for b in range(a, count + 1)
    )
    assert sum(cost(s, p) for s, p in zip(sentences, found, strict=True)) == best


def test_stream_laal_and_long_yaal_of_a_perfect_but_late_stream():
    shown = heard(*((word.text, word.end_s + 2) for word in WORDS))
    sentences = utterances(WORDS, shown, pair_words([word.text for word in WORDS], [word.text for word in shown]))
    # The first sentence lasts 3.5 s, one ideal word each 0.875 s; words at 2.5, 3.5, 4.5, 5.5. LAAL ends with the first
    # at or after 3.5 s: (2.5 + 3.5 - 0.875) / 2. YAAL takes all four: (16 - 0.875 * 6) / 4.
    assert stream_laal(sentences)[0] == pytest.approx((2.5 + 2.625) / 2)
    assert long_yaal(sentences)[0] == pytest.approx((16 - 5.25) / 4)
    # Unaware, everything was there a second earlier.
    assert long_yaal(sentences, unaware)[0] == pytest.approx((16 - 5.25) / 4 - 1)
    # The last sentence ends at 9.5 s: "The" (10.5) and "end" (11.5) of it come too late.
    assert len(long_yaal(sentences)) == 2
    assert len(stream_laal(sentences)) == 3
    assert long_yaal([]) == []


LAGS = {0.25: (0.875, 1.9375), 0.75: (1.375, 2.4375), 1.25: (1.9375, 2.90625), 2.0: (2.65625, 3.625)}
GAPPED = [
    ("day", 3.791), ("it", 3.986), ("rained.", 5.455), ("then", 5.455), ("it", 8.007), ("was", 8.787), ("dry.", 8.836),
    ("end", 12.204),
]  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "after_s", "expected"),
    [
        *(([(word.text, word.end_s + lag_s) for word in WORDS], 1.0, found) for lag_s, found in LAGS.items()),
        (GAPPED, 0.5, (2.997208333333333, 3.497208333333333)),
    ],
)
def test_long_yaal_is_that_of_omnisteval(shown: list[tuple[str, float]], after_s: float, expected: tuple[float, float]):
    """Values that OmniSTEval 0.1.10 (`resegment`, `YAALScorer(is_longform=True)`) gave for these words."""
    emitted = [Emitted(text, heard_s + after_s, heard_s, 0) for text, heard_s in shown]
    sentences = utterances(WORDS, emitted, pair_words([word.text for word in WORDS], [text for text, _ in shown]))
    found = [long_yaal(sentences, delay) for delay in (unaware, aware)]
    assert [sum(values) / len(values) for values in found] == pytest.approx(expected)
