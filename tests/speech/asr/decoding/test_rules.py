"""The rules of the next token against openai-whisper's own filters, on random logits after random texts."""

import pytest
import torch
from earspan.speech.asr.decoding.rules import Draw, Rules, Written, gumbel
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from torch import Tensor
from whisper.decoding import ApplyTimestampRules, GreedyDecoder, SuppressBlank, SuppressTokens
from whisper.tokenizer import Tokenizer, get_tokenizer

TOKENIZERS = {False: get_tokenizer(False), True: get_tokenizer(True, language="de", task="transcribe")}
VOCABULARY = {False: 51_864, True: 51_865}
LATEST_FIRST = 50  # 1.0 s in ticks of 20 ms


def suppressed(tokenizer: Tokenizer) -> list[int]:
    """What whisper.decoding suppresses for "-1", listed by hand."""
    marks = [tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm]
    return sorted({*tokenizer.non_speech_tokens, *marks, tokenizer.no_speech or 0})


def filtered(tokenizer: Tokenizer, logits: Tensor, text: list[int], timestamps: bool) -> Tensor:
    """The logits after openai-whisper's filters, in its order."""
    start = list(tokenizer.sot_sequence)
    tokens, left = torch.tensor([start + text]), logits[None].clone()
    SuppressBlank(tokenizer, len(start)).apply(left, tokens)
    SuppressTokens(suppressed(tokenizer)).apply(left, tokens)
    if timestamps:
        ApplyTimestampRules(tokenizer, len(start), LATEST_FIRST).apply(left, tokens)
    return left[0]


def written(tokenizer: Tokenizer, text: list[int]) -> Written:
    found = Written()
    for token in text:
        found = found.then(token, tokenizer.timestamp_begin)
    return found


@st.composite
def places(draw, multilingual: bool) -> tuple[list[int], Tensor]:
    """A text, and the logits after it, in which timestamps together may weigh more or less than text."""
    begin = TOKENIZERS[multilingual].timestamp_begin
    token = st.one_of(st.integers(0, 50_000), st.integers(begin, begin + 1500))
    text = draw(st.lists(token, max_size=6))
    seed, lift = draw(st.integers(0, 10_000)), draw(st.floats(-6, 6))
    logits = 3 * torch.randn(VOCABULARY[multilingual], generator=torch.Generator().manual_seed(seed))
    logits[begin:] += lift
    if draw(st.booleans()):
        logits[TOKENIZERS[multilingual].eot] = 15.0
    return text, logits


@pytest.mark.parametrize("multilingual", [False, True])
@pytest.mark.parametrize("timestamps", [True, False])
@settings(max_examples=25)
@given(data=st.data())
def test_the_next_token_is_openai_whispers(multilingual: bool, timestamps: bool, data):
    tokenizer = TOKENIZERS[multilingual]
    together = data.draw(st.lists(places(multilingual), min_size=1, max_size=4))
    rules = Rules(tokenizer, timestamps, "-1", suppress_blank=True)
    logits = torch.stack([row for _, row in together])
    before = [written(tokenizer, text) for text, _ in together]
    found = rules.decide(logits.clone(), before, [None] * len(together))
    for (text, row), choice in zip(together, found, strict=True):
        left, total = filtered(tokenizer, row, text, timestamps), torch.zeros(1)
        tokens, _ = GreedyDecoder(0.0, tokenizer.eot).update(torch.tensor([[0]]), left[None], total)
        assert choice.token == int(tokens[0, -1])
        assert choice.log_probability == pytest.approx(float(total[0]), abs=1e-4)


@settings(max_examples=25)
@given(place=places(False), seed=st.integers(0, 99))
def test_no_change_of_less_than_half_a_margin_changes_the_token(place: tuple[list[int], Tensor], seed: int):
    (text, logits), rules = place, Rules(TOKENIZERS[False], True, "-1", suppress_blank=True)
    before = [written(TOKENIZERS[False], text)]
    [choice] = rules.decide(logits[None].clone(), before, [None])
    assert choice.margin >= 0
    noise = 2 * torch.rand(logits.shape, generator=torch.Generator().manual_seed(seed)) - 1
    moved = logits + 0.49 * min(choice.margin, 100.0) * noise
    assert rules.decide(moved[None], before, [None])[0].token == choice.token


def test_a_margin_is_the_distance_of_the_nearest_other_choice():
    tokenizer = TOKENIZERS[False]
    begin, rules = tokenizer.timestamp_begin, Rules(tokenizer, True, "", suppress_blank=False)
    logits = torch.full((VOCABULARY[False],), -60.0)
    logits[[100, 200]] = torch.tensor([5.0, 3.5])
    logits[begin + 70] = 4.0  # later than the 60 that is written, after text
    before = [written(tokenizer, [begin + 50, 7, 8, begin + 60, begin + 60, 9])]
    assert rules.decide(logits[None].clone(), before, [None])[0].margin == pytest.approx(1.0)  # all timestamps: 4.0
    logits[begin + 70] = 0.0
    assert rules.decide(logits[None].clone(), before, [None])[0].margin == pytest.approx(1.5)
    logits[begin + 70] = 5.3
    [time] = rules.decide(logits[None].clone(), before, [None])
    assert (time.token, time.margin) == (begin + 70, pytest.approx(0.3))


def test_what_the_options_suppress():
    tokenizer = TOKENIZERS[False]
    logits = torch.zeros(3, VOCABULARY[False])
    logits[0, tokenizer.eot], logits[1, 4], logits[2, 9] = 9.0, 9.0, 9.0  # the end, first; two symbols
    first, later = Written(), Written(1, False, True, -1)
    none = Rules(tokenizer, False, "", suppress_blank=False).decide(logits.clone(), [first, later, later], [None] * 3)
    assert [choice.token for choice in none] == [tokenizer.eot, 4, 9]
    some = Rules(tokenizer, False, "4,5", suppress_blank=True).decide(logits.clone(), [first, later, later], [None] * 3)
    assert some[0].token != tokenizer.eot
    assert some[1].token not in (4, 5)
    assert some[2].token == 9


@pytest.mark.parametrize("temperature", [0.4, 1.0])
def test_sampling_draws_from_the_tempered_softmax(temperature: float):
    tokenizer, places_together, rounds = TOKENIZERS[False], 50, 12
    rules = Rules(tokenizer, False, "", suppress_blank=False)
    allowed, weights = torch.arange(10, 18), torch.linspace(0, 1.4, 8)
    logits = torch.full((places_together, VOCABULARY[False]), -torch.inf)
    logits[:, allowed] = weights
    generator, seen = torch.Generator().manual_seed(11), torch.zeros(8)
    for _ in range(rounds):
        draws = [Draw(temperature, gumbel(VOCABULARY[False], generator)) for _ in range(places_together)]
        for choice in rules.decide(logits.clone(), [Written(1)] * places_together, draws):
            seen[choice.token - 10] += 1
            # as openai-whisper counts it: of the softmax at temperature 1
            assert choice.log_probability == pytest.approx(float(weights.log_softmax(0)[choice.token - 10]), abs=1e-4)
    expected = (weights / temperature).softmax(0) * places_together * rounds
    statistic = float(((seen - expected) ** 2 / expected).sum())
    assert statistic < chi2.ppf(0.999, 7)


def test_draws_belong_to_their_places():
    rules = Rules(TOKENIZERS[False], False, "", suppress_blank=False)
    logits = torch.randn(3, VOCABULARY[False], generator=torch.Generator().manual_seed(2))
    noise = torch.zeros(VOCABULARY[False])
    noise[77] = 99.0
    choices = rules.decide(logits.clone(), [Written(1)] * 3, [None, Draw(0.5, noise), None])
    assert [choice.token for choice in choices] == [int(logits[0].argmax()), 77, int(logits[2].argmax())]


def test_noise_is_minus_the_logarithm_of_torchs_exponential():
    ours, theirs = (torch.Generator().manual_seed(11) for _ in range(2))
    for _ in range(3):  # of one generator, one after another
        expected = -torch.empty(50_000).exponential_(generator=theirs).log()
        torch.testing.assert_close(gumbel(50_000, ours), expected, rtol=1e-6, atol=1e-6)
