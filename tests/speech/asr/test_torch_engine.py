"""The engine: openai-whisper's own prompt format, and what batching, prompts and the cache may not change."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import whisper
from earspan.datasets import open_dataset
from earspan.speech.asr.cache import TranscriptCache
from earspan.speech.asr.decoding.decoder import DecoderRows
from earspan.speech.asr.hypothesis import Clip, DecodeOptions, Hypothesis
from earspan.speech.asr.model import Recogniser
from earspan.speech.asr.torch_engine import Engine
from whisper.tokenizer import get_tokenizer

from ...tiny import ENGLISH, MULTILINGUAL

OPTIONS = DecodeOptions(max_tokens=30, temperatures=(0.0,))
ONCE = replace(OPTIONS, continuing=False)


def _same(hypothesis: Hypothesis, other: Hypothesis) -> bool:
    """Equal but for rounding of probabilities, which depends on the order of additions in a batch."""
    probabilities = {"mean_log_probability": 0.0, "no_speech_probability": 0.0}
    return replace(hypothesis, **probabilities) == replace(other, **probabilities) and math.isclose(
        hypothesis.mean_log_probability, other.mean_log_probability, abs_tol=2e-3
    )


def test_the_text_context_bounds_a_text(tiny_recogniser, tones):
    # 25 tokens of prompt and marks in a context of 48: the last token decoded needs no position any more.
    recogniser = tiny_recogniser(n_text_ctx=48)
    with torch.no_grad():
        recogniser.whisper.decoder.token_embedding.weight[get_tokenizer(False).eot] = 0  # never ends by itself
    [hypothesis] = Engine(recogniser, replace(ONCE, max_tokens=224)).transcribe([Clip(tones(3.0, 4), "word " * 60)])
    [run] = hypothesis.runs
    assert (run.prior_tokens, run.prompt_tokens) == (23, 1 + 23 + 1)
    assert hypothesis.cut_off
    assert run.decode_tokens == 48 - 25
    assert len(run.tokens) == 48 - 25 + 1


@pytest.mark.parametrize(
    ("n_vocab", "clip", "expected"),
    [
        (ENGLISH, {}, "<|startoftranscript|>"),
        (MULTILINGUAL, {}, "<|startoftranscript|><|en|><|transcribe|>"),
        (ENGLISH, {"prompt": "  The storm. "}, "<|startofprev|> The storm.<|startoftranscript|>"),
        (MULTILINGUAL, {"mode": "text"}, "<|startoftranscript|><|en|><|transcribe|><|notimestamps|>"),
        (
            ENGLISH,
            {"mode": "text", "prompt": "The storm.", "prefix": " It was "},
            "<|startofprev|> The storm.<|startoftranscript|><|notimestamps|> It was",
        ),
    ],
)
def test_prompt_tokens_read_as_whispers_format(tiny_recogniser, tones, fed, n_vocab: int, clip: dict, expected: str):
    recogniser = tiny_recogniser(n_vocab=n_vocab)
    [hypothesis] = Engine(recogniser, replace(ONCE, max_tokens=3)).transcribe([Clip(tones(1.0, 1), **clip)])
    encoding = get_tokenizer(recogniser.whisper.is_multilingual).encoding
    assert encoding.decode(fed[0][0]) == expected
    assert hypothesis.prompt_tokens == len(fed[0][0])
    # One prefill, then one token at a time: what is fed is what a backend's decode steps are.
    assert [len(row) for rows in fed[1:] for row in rows] == [1] * hypothesis.decode_tokens


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[list[list[int]]]:
    """What the decoder is fed, pass by pass and row by row."""
    passes: list[list[list[int]]] = []
    advance = DecoderRows.advance

    def spy(rows: DecoderRows, tokens) -> torch.Tensor:
        passes.append([list(row) for row in tokens])
        return advance(rows, tokens)

    monkeypatch.setattr(DecoderRows, "advance", spy)
    return passes


@pytest.fixture(scope="module")
def mixed(tones) -> list[Clip]:
    """Clips of many lengths, some equally long, with and without prompts."""
    lengths = (0.0, 0.001, 0.3, 1.0, 1.0, 1.01, 1.013, 2.0, 5.5, 5.5, 5.5, 5.5, 32.0)
    clips = [Clip(tones(seconds, seed)) for seed, seconds in enumerate(lengths)]
    more = [Clip(clip.audio, "as said before") for clip in clips[3:6]]
    return [*clips, *more, *(replace(clip, mode="text", prefix="and") for clip in more)]


def test_a_clip_has_the_same_text_alone_and_in_any_batch(tiny_recogniser, mixed):
    recogniser = tiny_recogniser()
    alone = [Engine(recogniser, OPTIONS).transcribe([clip])[0] for clip in mixed]
    assert len({h.decode_tokens for h in alone}) > 3  # they leave the batch at different steps
    for batch_bytes in (16 << 20, 1 << 30):
        together = Engine(recogniser, OPTIONS, batch_bytes=batch_bytes).transcribe(mixed)
        assert all(map(_same, together, alone))


def test_order_is_kept(tiny_recogniser, mixed):
    engine = Engine(tiny_recogniser(), OPTIONS)
    forwards = engine.transcribe(mixed)
    assert [h.runs[-1].audio_s for h in forwards[2:12]] == [0.3, 1.0, 1.0, 1.01, 1.01, 2.0, 5.5, 5.5, 5.5, 5.5]
    backwards = Engine(tiny_recogniser(), OPTIONS).transcribe(mixed[::-1])
    assert all(map(_same, backwards[::-1], forwards))
    assert engine.transcribe([mixed[7], mixed[3], mixed[7]]) == [forwards[7], forwards[3], forwards[7]]
    assert engine.transcribe([]) == []


def test_equal_clips_are_computed_once_and_progress_counts_the_rest(tiny_recogniser, mixed):
    engine = Engine(tiny_recogniser(), OPTIONS, batch_bytes=16 << 20)
    told: list[tuple[int, int]] = []
    copies = [replace(clip, audio=clip.audio.copy()) for clip in mixed]
    hypotheses = engine.transcribe([*mixed, *copies], lambda done, total: told.append((done, total)))
    assert engine.computed == len(mixed)
    assert hypotheses[: len(mixed)] == hypotheses[len(mixed) :]
    assert told[-1] == (len(mixed), len(mixed))
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    told.clear()
    engine.transcribe(copies, lambda done, total: told.append((done, total)))
    assert (engine.computed, told) == (len(mixed), [])


def test_anything_that_may_change_a_text_makes_another_call(tiny_recogniser, tones, tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    audio = tones(1.0, 1)
    louder = audio.copy()
    louder[-1] += 1e-4
    engines = [
        Engine(tiny_recogniser(), ONCE, TranscriptCache(path)),
        Engine(tiny_recogniser(), replace(ONCE, max_tokens=31), TranscriptCache(path)),
        Engine(tiny_recogniser(), replace(ONCE, suppress_blank=False), TranscriptCache(path)),
    ]
    clips = [Clip(audio), Clip(audio, "before"), Clip(louder), Clip(audio[:-1])]
    clips += [replace(clips[0], mode="text"), replace(clips[0], mode="text", prefix="x"), Clip(audio, mode="segment")]
    for engine in engines:
        engine.transcribe(clips)
        assert engine.computed == len(clips)


def test_a_cache_hit_is_equal_and_computes_nothing(tiny_recogniser, mixed, tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    first = Engine(tiny_recogniser(), OPTIONS, TranscriptCache(path)).transcribe(mixed[:9])
    again = Engine(tiny_recogniser(), OPTIONS, TranscriptCache(path))
    assert again.transcribe(mixed[:9]) == first
    assert again.computed == 0
    assert all(map(_same, again.transcribe(mixed)[:9], first))
    assert again.computed == len(mixed) - 9


def test_an_interrupted_run_keeps_its_finished_batches(tiny_recogniser, mixed, tmp_path: Path):
    path = tmp_path / "cache.sqlite"

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Engine(tiny_recogniser(), OPTIONS, TranscriptCache(path)).transcribe(mixed[4:7], interrupt)
    engine = Engine(tiny_recogniser(), OPTIONS, TranscriptCache(path))
    engine.transcribe(mixed[4:7])
    assert engine.computed == 0


def test_nothing_to_hear_is_an_empty_text_without_work(tiny_recogniser, tones):
    engine = Engine(tiny_recogniser(), OPTIONS)
    for hypothesis in engine.transcribe([Clip(tones(0.0, 1)), Clip(tones(0.009, 1))]):  # less than a frame
        assert (hypothesis.text, hypothesis.runs, hypothesis.prompt_tokens) == ("", (), 0)
        assert hypothesis.no_speech_probability is None
    assert engine.decoder_passes == 0


def test_a_model_of_a_shorter_context_goes_on_more_often(tiny_recogniser, tones):
    # without any timestamp, it goes on after all that it can hear at once
    timestamps = ",".join(map(str, range(get_tokenizer(False).timestamp_begin, ENGLISH)))
    engine = Engine(tiny_recogniser(n_audio_ctx=100), replace(OPTIONS, timestamps=False, suppress_tokens=timestamps))
    [whole] = engine.transcribe([Clip(tones(7.0, 1))])
    assert [(run.start_s, run.audio_s) for run in whole.runs] == [(0.0, 2.0), (2.0, 2.0), (4.0, 2.0), (6.0, 1.0)]
    assert whole.heard_s == 7.0


def test_finished_rows_leave_the_batch(tiny_recogniser, mixed, fed):
    hypotheses = Engine(tiny_recogniser(), ONCE).transcribe(mixed[2:16])
    steps = sorted((hypothesis.decode_tokens for hypothesis in hypotheses), reverse=True)
    assert len(set(steps)) > 1
    assert [len(rows) for rows in fed] == [sum(count >= step for count in steps) for step in range(steps[0] + 1)]


def test_equal_audio_is_encoded_once(tiny_recogniser, tones):
    recogniser = tiny_recogniser()
    encoded: list[int] = []
    hook = recogniser.whisper.encoder.ln_post.register_forward_hook(lambda *a: encoded.append(len(a[2])))
    clips = [Clip(tones(1.0, seed), prompt) for seed in (1, 2) for prompt in ("", "one", "one two")]
    Engine(recogniser, replace(ONCE, max_tokens=1)).transcribe(clips)
    hook.remove()
    assert sum(encoded) == 2


def test_the_engine_leaves_the_models_weights_as_they_are(tiny_whisper, tiny_recogniser, tones):
    recogniser = tiny_recogniser()
    Engine(recogniser, OPTIONS).transcribe([Clip(tones(1.0, 1))])
    for name, tensor in tiny_whisper().state_dict().items():
        assert torch.equal(recogniser.whisper.state_dict()[name], tensor), name


@pytest.mark.weights
def test_tiny_en_hears_a_talk_as_whisper_does(tiny_en: Recogniser):
    audio = next(iter(open_dataset("talks"))).load().audio
    clips = [Clip(audio[start : start + 80_000]) for start in range(0, 320_000, 80_000)]
    found = Engine(tiny_en, DecodeOptions(temperatures=(0.0,))).transcribe(clips)
    for clip, hypothesis in zip(clips, found, strict=True):
        result: Any = whisper.transcribe(tiny_en.whisper, clip.audio, language="en", temperature=0.0, fp16=False)
        assert hypothesis.text == result["text"].strip()
        assert [(segment.start_s, segment.end_s) for segment in hypothesis.segments] == [
            (round(segment["start"], 2), round(segment["end"], 2)) for segment in result["segments"] if segment["text"]
        ]
    assert sum(len(hypothesis.text.split()) for hypothesis in found) > 30
