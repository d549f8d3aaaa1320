"""Whisper's decoding options against openai-whisper's own decoding, and its rules for trying again."""

from dataclasses import replace

import pytest
import torch
import whisper
from earspan.backends.errors import InputError
from earspan.speech import options as module
from earspan.speech.cache import TranscriptCache
from earspan.speech.engine import Clip, Engine
from earspan.speech.engines import DECODINGS, engine_names, make_engine
from earspan.speech.hypothesis import WHISPER_DEFAULTS, DecodeOptions, Hypothesis, Segment
from whisper.decoding import DecodingResult
from whisper.tokenizer import get_tokenizer

MULTILINGUAL = 51_865


def _whispers(model: whisper.Whisper, clip: Clip, **options) -> DecodingResult:
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(clip.audio, model.dims.n_audio_ctx * 320), 80)
    result = whisper.decode(
        model,
        mel,
        whisper.DecodingOptions(
            fp16=False, sample_len=12, prompt=clip.prompt or None, prefix=clip.prefix or None, **options
        ),
    )
    assert isinstance(result, DecodingResult)
    return result


CASES = [
    (DecodeOptions(beam_size=3), {"beam_size": 3, "without_timestamps": True, "suppress_tokens": ""}),
    (
        DecodeOptions(beam_size=2, patience=2.0, length_penalty=0.6, suppress_tokens="-1", suppress_blank=True),
        {"beam_size": 2, "patience": 2.0, "length_penalty": 0.6, "without_timestamps": True},
    ),
    (DecodeOptions(timestamps=True, suppress_tokens="-1", suppress_blank=True), {}),
    (DecodeOptions(timestamps=True, beam_size=2), {"beam_size": 2, "suppress_tokens": ""}),
    (DecodeOptions(language=None), {"without_timestamps": True, "suppress_tokens": ""}),
    (
        DecodeOptions(language="de", task="translate", suppress_tokens="5,6,7"),
        {"language": "de", "task": "translate", "without_timestamps": True, "suppress_tokens": "5,6,7"},
    ),
]


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # in openai-whisper itself
@pytest.mark.parametrize(("options", "theirs"), CASES)
def test_equals_openai_whispers_decoding(tiny_recogniser, tones, options: DecodeOptions, theirs):
    recogniser = tiny_recogniser(pads=True, n_vocab=MULTILINGUAL, n_audio_ctx=150)
    clips = [Clip(tones(2.0, 1)), Clip(tones(3.0, 2), "as was said"), Clip(tones(3.0, 3), "as was said", "and is")]
    found = Engine(recogniser, replace(options, max_tokens=12)).transcribe(clips)
    for clip, hypothesis in zip(clips, found, strict=True):
        language = {} if options.language is None else {"language": options.language}
        suppress_blank = {"suppress_blank": options.suppress_blank}
        # whisper takes encoded audio where it has the model's own length
        result = _whispers(recogniser.whisper, clip, **{**language, **suppress_blank, **theirs})
        assert list(hypothesis.tokens) == result.tokens
        assert hypothesis.language == result.language
        assert hypothesis.mean_log_probability == pytest.approx(result.avg_logprob, abs=1e-3)
        assert hypothesis.no_speech_probability == pytest.approx(result.no_speech_prob, abs=1e-3)
        assert hypothesis.cut_off == (len(result.tokens) == 12)


def test_a_sampled_text_is_the_calls_own(tiny_recogniser, tones, tmp_path):
    recogniser = tiny_recogniser()
    options = DecodeOptions(temperatures=(0.7,), best_of=2, max_tokens=8)
    clips = [Clip(tones(1.0, seed)) for seed in range(4)]
    engine = Engine(recogniser, options, TranscriptCache(tmp_path))
    state = torch.random.get_rng_state()
    together = engine.transcribe(clips)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(3)
    assert Engine(recogniser, options).transcribe(clips[::-1]) == together[::-1]
    assert Engine(recogniser, options, TranscriptCache(tmp_path)).transcribe(clips) == together
    assert {hypothesis.temperature for hypothesis in together} == {0.7}
    greedy = Engine(recogniser, DecodeOptions(max_tokens=8)).transcribe(clips)
    assert [h.tokens for h in greedy] != [h.tokens for h in together]


@pytest.mark.parametrize(
    ("ratio", "log_probability", "silence", "expected"),
    [
        (1.0, -0.5, 0.1, (False, False)),
        (2.5, -0.5, 0.1, (True, False)),  # repetitive
        (1.0, -1.5, 0.1, (True, False)),  # improbable
        (1.0, -1.5, 0.9, (False, True)),  # silence
        (1.0, -0.5, 0.9, (False, False)),  # sure of its words
        (2.5, -1.5, 0.9, (False, True)),
        (2.5, -0.5, 0.9, (True, False)),
    ],
)
def test_the_rules_of_trying_again_and_of_silence(ratio, log_probability, silence, expected):
    # whisper/transcribe.py of 20250625, by hand
    result = DecodingResult(
        audio_features=torch.empty(0),
        language="en",
        avg_logprob=log_probability,
        no_speech_prob=silence,
        compression_ratio=ratio,
    )
    assert (module._again(result, WHISPER_DEFAULTS), module._silent(result, WHISPER_DEFAULTS)) == expected
    assert not module._again(result, DecodeOptions())
    assert not module._silent(result, DecodeOptions())


def test_temperatures_are_tried_until_a_text_passes(tiny_recogniser, tones):
    impossible = DecodeOptions(temperatures=(0.0, 0.2, 0.4), log_probability_threshold=1.0, max_tokens=4)
    engine = Engine(tiny_recogniser(), impossible)
    [hypothesis] = engine.transcribe([Clip(tones(1.0, 1))])
    assert hypothesis.temperature == 0.4
    assert engine.decoder_passes > 4
    [easy] = Engine(tiny_recogniser(), replace(impossible, log_probability_threshold=-99.0)).transcribe(
        [Clip(tones(1.0, 1))]
    )
    assert easy.temperature == 0.0
    silent = replace(impossible, no_speech_threshold=0.0)
    assert Engine(tiny_recogniser(), silent).transcribe([Clip(tones(1.0, 1))])[0].text == ""


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize("options", [DecodeOptions(no_speech_threshold=1.0), DecodeOptions(beam_size=2)])
def test_nothing_said_is_an_empty_text(tiny_recogniser, tones, options: DecodeOptions):
    recogniser = tiny_recogniser()
    decoder = recogniser.whisper.decoder
    with torch.no_grad():  # always the end mark
        decoder.ln.weight.zero_()
        decoder.ln.bias.fill_(1.0)
        decoder.token_embedding.weight[50_256] = 9.0
    [hypothesis] = Engine(recogniser, options).transcribe([Clip(tones(1.0, 1))])
    assert (hypothesis.text, hypothesis.tokens, hypothesis.decode_tokens) == ("", (), 0)


def test_segments_lie_between_timestamps():
    tokenizer = get_tokenizer(False)
    at = tokenizer.timestamp_begin
    tokens = [at, *tokenizer.encode(" one two"), at + 50, at + 60, *tokenizer.encode(" three"), at + 99]
    tokens += tokenizer.encode(" rest")
    assert list(module._segments(tokens, tokenizer, 150)) == [
        Segment(0.0, 1.0, "one two"),
        Segment(1.2, 1.98, "three"),
        Segment(1.98, 3.0, "rest"),
    ]


def test_a_hypothesis_survives_json():
    import json

    hypothesis = Hypothesis("a", 2, 1, -0.5, False, (5,), 0.2, 0.1, "en", (Segment(0.0, 1.0, "a"),), (3, 0))
    assert Hypothesis.from_dict(json.loads(json.dumps(hypothesis.to_dict()))) == hypothesis


def test_only_greedy_text_is_plain():
    assert DecodeOptions().plain
    assert DecodeOptions(language="de", task="translate", max_tokens=3).plain
    assert not DecodeOptions(language=None).plain
    assert [name for name, options in DECODINGS.items() if options.plain] == ["greedy"]


def test_contradicting_options_and_unknown_engines(tiny_recogniser, tones):
    engine = Engine(tiny_recogniser(), DecodeOptions(patience=2.0))
    with pytest.raises(InputError, match="patience requires beam_size"):
        engine.transcribe([Clip(tones(1.0, 1))])
    with pytest.raises(InputError, match="unknown engine 'torhc'; did you mean 'torch'"):
        make_engine("torhc", tiny_recogniser())
    assert engine_names()[0] == "torch"
