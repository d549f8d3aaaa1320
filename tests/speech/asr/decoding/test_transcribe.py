"""Every call is heard as `whisper.transcribe` hears the same audio: openai-whisper itself is the oracle."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
import whisper
from earspan.backends.errors import InputError
from earspan.speech.asr.cache import TranscriptCache
from earspan.speech.asr.decoding.decoder import DecoderRows
from earspan.speech.asr.decoding.transcribe import Attempt, Outcome
from earspan.speech.asr.hypothesis import Clip, DecodeOptions, DecoderRun, Hypothesis, Segment
from earspan.speech.asr.model import Recogniser
from earspan.speech.asr.torch_engine import Engine
from earspan.speech.asr.transcriber import Transcriber
from whisper.decoding import DecodingResult

from ....tiny import ENGLISH, MULTILINGUAL

GREEDY = DecodeOptions(temperatures=(0.0,), max_tokens=20)
PROMPT = "  As was said before. "


@dataclass(frozen=True)
class Theirs:
    """What `whisper.transcribe` gave, and what each of its decodings had and gave: prompt, temperature, result."""

    result: dict[str, Any]
    decodings: list[tuple[list[int], float, DecodingResult]]


def theirs(model: whisper.Whisper, clip: Clip, options: DecodeOptions) -> Theirs:
    decodings, decode = [], model.decode

    def spy(mel, given):
        torch.manual_seed(seed_of(given.prompt[-223:], given.temperature))
        found = decode(mel, given)
        decodings.append((list(given.prompt), given.temperature, found))
        return found

    model.decode = spy  # type: ignore[method-assign]
    try:
        result = whisper.transcribe(
            model,
            clip.audio,
            language=options.language,
            task=options.task,
            fp16=False,
            temperature=options.temperatures,
            compression_ratio_threshold=options.compression_ratio_threshold,
            logprob_threshold=options.log_probability_threshold,
            no_speech_threshold=options.no_speech_threshold,
            condition_on_previous_text=options.condition_on_previous_text,
            initial_prompt=clip.prompt or None,
            sample_len=options.max_tokens,
            suppress_tokens=options.suppress_tokens,
            suppress_blank=options.suppress_blank,
        )
    finally:
        del model.decode
    return Theirs(result, decodings)


def seed_of(prompt: Sequence[int], temperature: float) -> int:
    return int.from_bytes(hashlib.sha256(json.dumps([list(prompt), temperature]).encode()).digest()[:4], "little")


def assert_equal(found: Hypothesis, expected: Theirs, recogniser: Recogniser) -> None:
    result, begin = expected.result, recogniser.tokenizer("en", "transcribe").timestamp_begin
    kept = [segment for segment in result["segments"] if segment["tokens"]]
    assert found.text == result["text"].strip()
    assert found.segments == tuple(
        Segment(round(one["start"], 2), round(one["end"], 2), one["text"].strip()) for one in kept
    )
    ticks = [(token, one["seek"] // 2) for one in kept for token in one["tokens"]]
    assert found.tokens == tuple(token + seek if token >= begin else token for token, seek in ticks)
    assert found.language == result["language"]
    runs = [(run.temperature, run.tokens, run.prior_tokens) for run in found.runs]
    assert runs == [(heat, tuple(one.tokens), len(prompt[-223:])) for prompt, heat, one in expected.decodings]
    if len(expected.decodings) == 1:
        [(_, _, only)] = expected.decodings
        assert found.no_speech_probability == pytest.approx(only.no_speech_prob, abs=1e-3)
        assert found.mean_log_probability == pytest.approx(only.avg_logprob, abs=2e-3)


def knowing_silence(recogniser: Recogniser, clips: Sequence[Clip]) -> Recogniser:
    """The same model, which now takes the last clip for no speech, the first for speech, and others for something."""
    model, tokenizer, states = recogniser.whisper, recogniser.tokenizer("en", "transcribe"), []
    hook = model.decoder.ln.register_forward_hook(lambda *given: states.append(given[2][0, 0]))
    with torch.no_grad():
        for clip in clips:
            mel = whisper.log_mel_spectrogram(clip.audio, padding=480_000)[:, :3000]
            model.decoder(torch.tensor([[tokenizer.sot]]), model.encoder(mel[None]))
        hook.remove()
        apart = states[-1] - states[0]
        model.decoder.token_embedding.weight[tokenizer.no_speech or 0] = 25 * apart / (apart @ states[-1])
    return recogniser


@pytest.fixture(scope="module")
def clips(tones) -> list[Clip]:
    """From nothing to more than two windows, silence too, with and without a prompt."""
    lengths = (0.0, 0.05, 0.43, 3.0, 30.0, 30.006, 64.4)
    found = [Clip(tones(seconds, seed)) for seed, seconds in enumerate(lengths)]
    silence = np.zeros(40_000, np.float32)
    paused = np.concatenate([tones(25.0, 9), np.zeros(30 * 16_000, np.float32)])
    return [*found, Clip(paused, PROMPT), Clip(tones(33.0, 8), "word " * 300), Clip(silence)]


@pytest.mark.parametrize(
    ("n_vocab", "seed", "every", "options"),
    [
        (ENGLISH, 5, 1, GREEDY),
        (ENGLISH, 6, 2, replace(GREEDY, condition_on_previous_text=False, suppress_tokens="")),
        (MULTILINGUAL, 7, 2, replace(GREEDY, language="de", task="translate", suppress_blank=False)),
        (MULTILINGUAL, 8, 2, replace(GREEDY, language=None)),
    ],
)
def test_equals_whisper_transcribe_alone_and_in_any_batch(tiny_recogniser, clips, n_vocab, seed, every, options):
    clips = clips[1::every]
    recogniser = tiny_recogniser(n_vocab=n_vocab, seed=seed)
    expected = [theirs(recogniser.whisper, clip, options) for clip in clips]
    for batch_bytes, order in ((1, 1), (1 << 30, -1)):
        found = Engine(recogniser, options, batch_bytes=batch_bytes).transcribe(clips[::order])[::order]
        for hypothesis, one in zip(found, expected, strict=True):
            assert_equal(hypothesis, one, recogniser)
    assert max(len(one.decodings) for one in expected) > 1  # they go on inside the audio
    assert len({one.result["text"] for one in expected}) > 2


@pytest.mark.parametrize("least", [-1.0, -2.75, None])
def test_silence_is_left_out_where_whisper_leaves_it_out(tiny_recogniser, clips, least: float | None):
    chosen = clips[5:]
    recogniser = knowing_silence(tiny_recogniser(), [clips[3], clips[-1]])
    options = replace(GREEDY, log_probability_threshold=least, no_speech_threshold=0.3)
    expected = [theirs(recogniser.whisper, clip, options) for clip in chosen]
    for hypothesis, one in zip(Engine(recogniser, options).transcribe(chosen), expected, strict=True):
        assert_equal(hypothesis, one, recogniser)
    silent = [result.no_speech_prob > 0.3 for one in expected for _, _, result in one.decodings]
    assert True in silent
    assert False in silent


class Openais(Transcriber):
    """Attempts decoded by openai-whisper, seeded as the spy above seeds them: what is left is the loop around them."""

    def __init__(self, recogniser: Recogniser, options: DecodeOptions) -> None:
        super().__init__(recogniser, options, None, "openai")

    def batch_size(self) -> int:
        return 3

    def decode(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        return [self._one(attempt) for attempt in attempts]

    def _one(self, attempt: Attempt) -> Outcome:
        beginning = attempt.beginning
        prompt = beginning.prompt[1 : beginning.start_at]
        torch.manual_seed(seed_of(prompt, beginning.temperature))
        given = whisper.DecodingOptions(
            fp16=False,
            language="en",
            sample_len=self.options.max_tokens,
            temperature=beginning.temperature,
            prompt=prompt,
        )
        result = whisper.decode(self.recogniser.whisper, self.features.spectrum(attempt.part)[0], given)
        assert isinstance(result, DecodingResult)
        count, tokens = len(result.tokens), tuple(result.tokens)
        return Outcome(tokens, True, result.avg_logprob * (count + 1), result.no_speech_prob, count, count + 1)

    def detect_language(self, clip: Clip) -> str:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("ratio", "least", "silence"),
    [(2.4, -2.9, 0.3), (1.0, None, None)],
)
def test_a_text_is_decoded_again_where_whisper_decodes_it_again(tiny_recogniser, clips, ratio, least, silence):
    recogniser = knowing_silence(tiny_recogniser(), [clips[3], clips[-1]])
    options = DecodeOptions(
        max_tokens=20,
        temperatures=(0.0, 0.3, 0.7, 1.0),
        compression_ratio_threshold=ratio,
        log_probability_threshold=least,
        no_speech_threshold=silence,
    )
    chosen = [clips[3], *clips[7::2]]
    expected = [theirs(recogniser.whisper, clip, options) for clip in chosen]
    for hypothesis, one in zip(Openais(recogniser, options).transcribe(chosen), expected, strict=True):
        assert_equal(hypothesis, one, recogniser)
    assert len({len(one.decodings) for one in expected}) > 1
    assert any(heat for one in expected for _, heat, _ in one.decodings)


# ---- the work -------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch):
    """Counts what the real encoder and decoder do: positions encoded, and tokens fed in each pass of one row."""
    encoded: list[int] = []
    fed: list[list[int]] = []
    advance = DecoderRows.advance

    def spy(rows, tokens, *more):
        fed.extend(list(row) for row in tokens)
        return advance(rows, tokens, *more)

    def watch(recogniser: Recogniser) -> tuple[list[int], list[list[int]]]:
        recogniser.whisper.encoder.ln_post.register_forward_hook(lambda *given: encoded.append(given[2].shape[1]))
        return encoded, fed

    monkeypatch.setattr(DecoderRows, "advance", spy)
    return watch


def test_every_run_is_noted_with_the_work_that_it_was(tiny_recogniser, tones, watched):
    recogniser = tiny_recogniser()
    encoded, fed = watched(recogniser)
    options = DecodeOptions(temperatures=(0.0, 0.4, 0.8), max_tokens=12)
    [heard] = Engine(recogniser, options).transcribe([Clip(tones(64.0, 4), PROMPT)])
    runs = heard.runs
    assert len(runs) > 3
    assert encoded == [1500] * sum(run.encoded for run in runs)
    assert [run.encoded for run in runs] == [run.temperature == 0 for run in runs]
    passes = iter(fed)
    for run in runs:
        assert len(next(passes)) == run.prompt_tokens
        assert [len(next(passes)) for _ in range(run.decode_tokens)] == [1] * run.decode_tokens
        assert run.decode_tokens == len(run.produced) - 1
        assert run.ended == (len(run.tokens) < 12)
        assert run.audio_s == min(30.0, round(64.0 - run.start_s, 2))
        assert run.prompt_tokens - run.prior_tokens == (2 if run.prior_tokens else 1)  # English: the start mark
    assert next(passes, None) is None
    assert (heard.prompt_tokens, heard.decode_tokens) == (
        sum(run.prompt_tokens for run in runs), sum(run.decode_tokens for run in runs),
    )  # fmt: skip
    assert heard.heard_s == 64.0


def test_a_segment_is_what_whisper_hears_before_it_goes_on(tiny_recogniser, clips):
    recogniser = tiny_recogniser()
    chosen = [clip for clip in clips[3::2] if clip.audio.any()]
    found = Engine(recogniser, GREEDY).transcribe([replace(clip, mode="segment") for clip in chosen])
    for clip, hypothesis in zip(chosen, found, strict=True):
        result = theirs(recogniser.whisper, clip, GREEDY).result
        seeks = sorted({segment["seek"] for segment in result["segments"]})
        first = [segment["text"].strip() for segment in result["segments"] if segment["seek"] == 0 and segment["text"]]
        assert [segment.text for segment in hypothesis.segments] == first
        assert len(hypothesis.runs) == 1
        end_s = len(clip.audio) / 16_000
        assert hypothesis.heard_s == pytest.approx(seeks[1] / 100 if len(seeks) > 1 else end_s, abs=0.01)
    assert any(hypothesis.heard_s < 30 for hypothesis in found[1:])


def test_a_text_is_one_pass_without_timestamps(tiny_recogniser, clips):
    recogniser = tiny_recogniser(n_vocab=MULTILINGUAL)
    given = [replace(clip, mode="text", prefix=prefix) for clip in clips[3::2] for prefix in ("", " and so it ")]
    options = DecodeOptions(max_tokens=12, no_speech_threshold=0.0, log_probability_threshold=9.0)
    for clip, hypothesis in zip(given, Engine(recogniser, options).transcribe(given), strict=True):
        mel = whisper.log_mel_spectrogram(clip.audio, padding=480_000)[:, : min(3000, len(clip.audio) // 160)]
        options_there = whisper.DecodingOptions(
            language="en", fp16=False, without_timestamps=True, sample_len=12, temperature=0.0,
            prompt=clip.prompt.strip() or None, prefix=clip.prefix or None,
        )  # fmt: skip
        padded: Any = whisper.pad_or_trim(mel, 3000)
        result = whisper.decode(recogniser.whisper, padded, options_there)
        assert isinstance(result, DecodingResult)
        [run] = hypothesis.runs
        assert list(run.tokens) == result.tokens
        assert hypothesis.text == result.text.strip()
        assert hypothesis.no_speech_probability == pytest.approx(result.no_speech_prob, abs=1e-3)
        tokenizer = recogniser.tokenizer("en", "transcribe")
        begun = tokenizer.encode(" and so it") if clip.prefix else []
        prior = tokenizer.encode(" " + clip.prompt.strip())[-223:] if clip.prompt else []
        assert (run.prior_tokens, run.temperature) == (len(prior) + len(begun), 0.0)


# ---- sampling -------------------------------------------------------------------------------------------------


def test_a_sampled_text_is_the_calls_own(tiny_recogniser, tones, tmp_path):
    recogniser = tiny_recogniser()
    options = DecodeOptions(temperatures=(0.7,), max_tokens=8)
    clips = [Clip(tones(1.0, seed), prompt) for seed in range(2) for prompt in ("", "before")]
    state = torch.random.get_rng_state()
    together = Engine(recogniser, options, TranscriptCache(tmp_path)).transcribe(clips)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(3)
    alone = Engine(recogniser, options, batch_bytes=1).transcribe(clips[::-1])[::-1]
    assert [one.runs for one in alone] == [one.runs for one in together]
    assert Engine(recogniser, options, TranscriptCache(tmp_path)).transcribe(clips) == together
    assert {hypothesis.temperature for hypothesis in together} == {0.7}
    cold = Engine(recogniser, replace(options, temperatures=(1e-5,))).transcribe(clips)
    greedy = Engine(recogniser, replace(options, temperatures=(0.0,))).transcribe(clips)
    assert [one.tokens for one in cold] == [one.tokens for one in greedy]
    assert all(one.tokens != other.tokens for one, other in zip(greedy, together, strict=True))


def test_temperatures_are_tried_until_a_text_passes(tiny_recogniser, tones):
    impossible = DecodeOptions(temperatures=(0.0, 0.2, 0.4), log_probability_threshold=1.0, max_tokens=4)
    clip = Clip(tones(1.0, 1))
    [hypothesis] = Engine(tiny_recogniser(), impossible).transcribe([clip])
    assert [run.temperature for run in hypothesis.runs[:3]] == [0.0, 0.2, 0.4]
    assert hypothesis.temperature == 0.4
    possible = replace(impossible, log_probability_threshold=-99.0)
    [easy] = Engine(tiny_recogniser(), possible).transcribe([clip])
    assert {run.temperature for run in easy.runs} == {0.0}
    [silent] = Engine(tiny_recogniser(), replace(impossible, no_speech_threshold=-1.0)).transcribe([clip])
    assert (silent.text, len(silent.runs)) == ("", 1)


@pytest.mark.parametrize(("temperatures", "message"), [((), "no temperature"), ((0.0, -1.0), "expected 0 or more")])
def test_impossible_temperatures(tiny_recogniser, temperatures: tuple[float, ...], message: str):
    with pytest.raises(InputError, match=message):
        Engine(tiny_recogniser(), DecodeOptions(temperatures=temperatures))


def test_a_hypothesis_survives_json():
    run = DecoderRun(0.0, 2.5, True, 3, 1, (5, 6), True, 2, 0.2, 5, (3, 0))
    hypothesis = Hypothesis("a", (run,), (5,), (Segment(0.0, 1.0, "a"),), -0.5, 0.1, 0.2, "en", 2.5, True)
    assert Hypothesis.from_dict(json.loads(json.dumps(hypothesis.to_dict()))) == hypothesis
