"""Token counts of another model's tokenizer: by hand, for texts whose tokens are counted here."""

import pytest
from earspan.speech.asr.decoding.token_counts import recount
from earspan.speech.asr.hypothesis import DecoderRun, Hypothesis
from whisper.tokenizer import get_tokenizer

ENGLISH = get_tokenizer(False)
MULTILINGUAL = get_tokenizer(True, language="en", task="transcribe")
GERMAN = "Straßenverkehrsüberwachung für Fußgänger"


def heard(text: str, *runs: DecoderRun) -> Hypothesis:
    return Hypothesis(text, runs=runs)


def run_of(text: str, prior: int = 0, proposals: tuple[int, ...] = ()) -> DecoderRun:
    begin = ENGLISH.timestamp_begin
    tokens = (begin, *ENGLISH.encode(" " + text), begin + 50)
    return DecoderRun(0.0, 5.0, True, 1 + prior + (prior > 0), prior, tokens, True, len(tokens), proposals=proposals)


def test_a_text_is_counted_with_the_other_tokenizer_and_its_timestamps_stay():
    own, other = len(ENGLISH.encode(" " + GERMAN)), len(MULTILINGUAL.encode(" " + GERMAN))
    assert other < own  # else this would test nothing
    [run] = recount(MULTILINGUAL, ENGLISH, heard(GERMAN, run_of(GERMAN))).runs
    assert run.decode_tokens == other + 2
    assert run.prompt_tokens == 3  # start, language and task, where the English model has a start mark only


def test_what_was_fed_first_grows_with_the_text():
    own, other = len(ENGLISH.encode(" " + GERMAN)), len(MULTILINGUAL.encode(" " + GERMAN))
    given = run_of(GERMAN, prior=2 * own, proposals=(3 * own, 0))
    [run] = recount(MULTILINGUAL, ENGLISH, heard(GERMAN, given)).runs
    assert run.prior_tokens == 2 * other
    assert run.prompt_tokens == 4 + 2 * other
    assert run.proposals == (3 * other, 0)


def test_every_run_is_counted_for_itself():
    twice = heard(f"{GERMAN} {GERMAN}", run_of(GERMAN), run_of(GERMAN))
    first, second = recount(MULTILINGUAL, ENGLISH, twice).runs
    assert first == second
    assert first.decode_tokens == pytest.approx(2 + len(MULTILINGUAL.encode(" " + GERMAN)), abs=1)


def test_the_same_tokenizer_and_nothing_said_change_nothing_but_marks():
    same = heard(GERMAN, run_of(GERMAN, prior=9, proposals=(4, 1)))
    assert recount(ENGLISH, ENGLISH, same) == same
    silent = DecoderRun(0.0, 1.0, True, 1, 0, (), True, 0)
    [run] = recount(MULTILINGUAL, ENGLISH, heard("", silent)).runs
    assert (run.prompt_tokens, run.decode_tokens) == (3, 0)


def test_a_text_that_spells_a_special_token_is_text():
    """Whoever writes transcripts may write `<|bn|>`; so may random weights."""
    spelled = heard("so <|bn|> and <|endoftext|>", run_of("so and"))
    [run] = recount(MULTILINGUAL, ENGLISH, spelled).runs
    assert run.decode_tokens > 2
