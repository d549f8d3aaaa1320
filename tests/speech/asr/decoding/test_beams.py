"""Beam search and best-of-n against openai-whisper's own, and its loop over the parts of a clip, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import whisper
from earspan.backends.errors import InputError
from earspan.speech.asr.decoding.transcribe import Attempt, Listening, Outcome
from earspan.speech.asr.engines import DECODINGS, engine_names, make_engine
from earspan.speech.asr.hypothesis import Clip, DecodeOptions, Segment
from earspan.speech.asr.torch_engine import Engine
from whisper.tokenizer import get_tokenizer
from whisper.utils import compression_ratio

from ....tiny import MULTILINGUAL

TOKENIZER = get_tokenizer(False)
BEGIN = TOKENIZER.timestamp_begin

CASES = [
    (DecodeOptions(beam_size=3), {"beam_size": 3}),
    (
        DecodeOptions(beam_size=2, patience=2.0, length_penalty=0.6, suppress_tokens="", suppress_blank=False),
        {"beam_size": 2, "patience": 2.0, "length_penalty": 0.6, "suppress_tokens": "", "suppress_blank": False},
    ),
    (DecodeOptions(timestamps=False, beam_size=2), {"beam_size": 2, "without_timestamps": True}),
    (
        DecodeOptions(language="de", task="translate", beam_size=2),
        {"beam_size": 2, "language": "de", "task": "translate"},
    ),
]


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # in openai-whisper itself
@pytest.mark.parametrize(("options", "theirs"), CASES)
def test_beams_are_openai_whispers(tiny_recogniser, tones, options: DecodeOptions, theirs):
    recogniser = tiny_recogniser(n_vocab=MULTILINGUAL)
    clips = [Clip(tones(2.0, 1)), Clip(tones(32.0, 2), "as was said")]
    options = replace(options, temperatures=(0.0,), max_tokens=8)
    for clip, hypothesis in zip(clips, Engine(recogniser, options).transcribe(clips), strict=True):
        result: Any = whisper.transcribe(
            recogniser.whisper, clip.audio, **{"language": "en", **theirs}, initial_prompt=clip.prompt or None,
            temperature=0.0, sample_len=8, fp16=False,
        )  # fmt: skip
        assert hypothesis.text == result["text"].strip()
        assert [segment.text for segment in hypothesis.segments] == [
            segment["text"].strip() for segment in result["segments"] if segment["tokens"]
        ]
        assert {run.candidates for run in hypothesis.runs} == {options.beam_size}


def test_the_best_of_several_samples_is_the_calls_own(tiny_recogniser, tones):
    recogniser = tiny_recogniser()
    options = DecodeOptions(temperatures=(0.7,), best_of=2, max_tokens=6, continuing=False)
    clips = [Clip(tones(1.0, seed)) for seed in range(3)]
    state = torch.random.get_rng_state()
    together = Engine(recogniser, options).transcribe(clips)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(3)
    assert Engine(recogniser, options, batch_bytes=1).transcribe(clips[::-1]) == together[::-1]
    assert {(run.temperature, run.candidates) for one in together for run in one.runs} == {(0.7, 2)}


def test_a_text_mode_call_is_greedy_whatever_the_options(tiny_recogniser, tones):
    clip = Clip(tones(1.0, 1), mode="text")
    [sought] = Engine(tiny_recogniser(), DecodeOptions(beam_size=3, max_tokens=6)).transcribe([clip])
    [greedy] = Engine(tiny_recogniser(), DecodeOptions(max_tokens=6)).transcribe([clip])
    assert sought == greedy


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize("options", [DecodeOptions(), DecodeOptions(beam_size=2)])
def test_nothing_said_is_an_empty_text(tiny_recogniser, tones, options: DecodeOptions):
    recogniser = tiny_recogniser()
    decoder = recogniser.whisper.decoder
    with torch.no_grad():  # always the end mark
        decoder.ln.weight.zero_()
        decoder.ln.bias.fill_(1.0)
        decoder.token_embedding.weight[50_256] = 9.0
    [hypothesis] = Engine(recogniser, replace(options, timestamps=False, suppress_blank=False)).transcribe(
        [Clip(tones(1.0, 1))]
    )
    assert (hypothesis.text, hypothesis.tokens, hypothesis.cut_off) == ("", (), False)
    assert hypothesis.decode_tokens == (options.beam_size or 1) - 1  # the second beam is looked at once more


# ---- the loop, with planted outcomes ----------------------------------------------------------------------------


def asked(one: Listening) -> Attempt:
    """Return what is to be decoded next."""
    assert one.attempt
    return one.attempt


def listening(seconds: float = 40.0, mode: str = "window", **options) -> Listening:
    dims = whisper.model.ModelDimensions(80, 1500, 64, 2, 2, 51_864, 448, 64, 2, 2)
    audio = np.zeros(round(seconds * 16_000), np.float32)
    return Listening(Clip(audio, mode=mode), TOKENIZER, DecodeOptions(**options), dims)


def outcome(tokens: list[int], mean: float = -0.5, silence: float = 0.1) -> Outcome:
    return Outcome(tuple(tokens), True, mean * (len(tokens) + 1), silence, len(tokens), len(tokens) + 1)


def text(words: str) -> list[int]:
    return TOKENIZER.encode(" " + words)


PLAIN, REPETITIVE = text("the night train was late"), text("no no " * 20)


@pytest.mark.parametrize(
    ("tokens", "mean", "silence", "expected"),
    [
        (PLAIN, -0.5, 0.1, (False, False)),
        (REPETITIVE, -0.5, 0.1, (True, False)),
        (PLAIN, -1.5, 0.1, (True, False)),  # improbable
        (PLAIN, -1.5, 0.9, (False, True)),  # silence
        (PLAIN, -0.5, 0.9, (False, False)),  # sure of its words
        (REPETITIVE, -1.5, 0.9, (False, True)),
        (REPETITIVE, -0.5, 0.9, (True, False)),
    ],
)
def test_the_rules_of_trying_again_and_of_silence(tokens, mean: float, silence: float, expected: tuple[bool, bool]):
    # whisper/transcribe.py of 20250625, by hand
    assert compression_ratio(TOKENIZER.decode(REPETITIVE)) > 2.4 > compression_ratio(TOKENIZER.decode(PLAIN))
    one = listening()
    one.take(outcome([BEGIN, *tokens, BEGIN + 100], mean, silence))
    again = one.attempt is not None and not one.attempt.new
    assert again == expected[0]
    if again:
        assert asked(one).beginning.temperature == 0.2
        assert asked(one).part.seek == 0
    else:
        assert asked(one).part.seek == 3000
        assert (one.hypothesis().text == "") == expected[1]
    greedy = replace(DECODINGS["greedy"], continuing=True)
    never = listening(**{name: getattr(greedy, name) for name in DecodeOptions.__slots__})
    never.take(outcome([BEGIN, *tokens, BEGIN + 100], mean, silence))
    assert asked(never).new
    assert never.hypothesis().text


def test_whole_segments_are_kept_and_hearing_goes_on_where_the_last_ended():
    tokens = [BEGIN, *text("one two"), BEGIN + 50, BEGIN + 60, *text("three"), BEGIN + 99, BEGIN + 99, *text("rest")]
    one = listening()
    one.take(outcome(tokens))
    assert asked(one).part.seek == 198
    assert asked(one).beginning.prompt[:-1] == [TOKENIZER.sot_prev, *tokens[:-2]]
    one.take(outcome([BEGIN, *text("four"), BEGIN + 10]))
    one.take(outcome([BEGIN + 5, *text("five")]))
    assert one.attempt is None
    heard = one.hypothesis()
    assert heard.segments == (
        Segment(0.0, 1.0, "one two"),
        Segment(1.2, 1.98, "three"),
        Segment(1.98, 2.18, "four"),
        Segment(31.98, 32.08, "five"),
    )
    assert heard.text == "one two three four five"
    assert [(run.start_s, run.audio_s) for run in heard.runs] == [(0.0, 30.0), (1.98, 30.0), (31.98, 8.02)]
    assert heard.tokens[-2:] == (BEGIN + 1599 + 5, *text("five"))


@pytest.mark.parametrize("mode", ["window", "segment"])
def test_one_pass_keeps_the_rest_unless_it_will_be_heard_again(mode: str):
    tokens = [BEGIN, *text("one"), BEGIN + 50, BEGIN + 50, *text("rest")]
    one = listening(3.0, mode, continuing=False)
    one.take(outcome(tokens))
    assert one.attempt is None
    heard = one.hypothesis()
    assert (heard.text, heard.heard_s) == (("one rest", 3.0) if mode == "window" else ("one", 1.0))
    with pytest.raises(ValueError, match="all of the clip is heard"):
        one.take(outcome(tokens))


def test_segments_without_text_or_length_are_dropped():
    tokens = [BEGIN, *text("one"), BEGIN + 50, BEGIN + 50, BEGIN + 70, BEGIN + 70, *text("x"), BEGIN + 70]
    one = listening(3.0)
    one.take(outcome(tokens))
    assert one.hypothesis().segments == (Segment(0.0, 1.0, "one"),)
    assert one.hypothesis().tokens == tuple(tokens[:3])


@pytest.mark.parametrize(("temperature", "prompted"), [(0.4, True), (0.5, True), (0.6, False)])
def test_a_hot_text_is_no_prompt(temperature: float, prompted: bool):
    one = listening(temperatures=(temperature,))
    one.take(outcome([BEGIN, *text("one"), BEGIN + 50, BEGIN + 50]))
    assert (TOKENIZER.sot_prev in asked(one).beginning.prompt) == prompted
    assert one.hypothesis().temperature == temperature


def test_contradicting_options_and_unknown_engines(tiny_recogniser, tones):
    engine = Engine(tiny_recogniser(), DecodeOptions(beam_size=2, length_penalty=2.0))
    with pytest.raises(InputError, match="length_penalty"):
        engine.transcribe([Clip(tones(1.0, 1))])
    with pytest.raises(InputError, match="unknown engine 'torhc'; did you mean 'torch'"):
        make_engine("torhc", tiny_recogniser())
    assert engine_names()[0] == "torch"
