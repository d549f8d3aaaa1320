"""The engine against openai-whisper's own `decode`, and what batching, prompts and the cache may not change."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper
from earspan.backends.errors import InputError
from earspan.speech.cache import TranscriptCache
from earspan.speech.decoder import DecoderRows
from earspan.speech.engine import Clip, DecodeOptions, Engine, Hypothesis
from whisper.tokenizer import get_tokenizer

ENGLISH, MULTILINGUAL = 51_864, 51_865
LONG_PROMPT = "a sentence that was said before " * 60


def _same(hypothesis: Hypothesis, other: Hypothesis) -> bool:
    """Equal but for rounding of the log-probability, which depends on the order of additions in a batch."""
    counts = (hypothesis.text, hypothesis.tokens, hypothesis.prompt_tokens, hypothesis.decode_tokens)
    others = (other.text, other.tokens, other.prompt_tokens, other.decode_tokens)
    return (*counts, hypothesis.cut_off) == (*others, other.cut_off) and math.isclose(
        hypothesis.mean_log_probability, other.mean_log_probability, abs_tol=2e-3
    )


def _decoded(model: whisper.Whisper, audio: np.ndarray, prompt: str, options: DecodeOptions):
    """Whisper's own greedy decoding of one clip, nothing suppressed: its result, and its text without specials."""
    samples = model.dims.n_audio_ctx * 320
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(audio, samples), model.dims.n_mels)
    result = whisper.decode(
        model,
        mel,
        whisper.DecodingOptions(
            language=options.language,
            task=options.task,
            without_timestamps=True,
            suppress_tokens="",
            suppress_blank=False,
            fp16=False,
            temperature=0.0,
            sample_len=options.max_tokens,
            prompt=prompt or None,
        ),
    )
    assert isinstance(result, whisper.DecodingResult)
    tokenizer = get_tokenizer(model.is_multilingual)
    text = tokenizer.decode([token for token in result.tokens if token < tokenizer.eot]).strip()
    return result, text


@pytest.mark.parametrize(
    ("n_vocab", "prompt", "options"),
    [
        (ENGLISH, "", DecodeOptions(max_tokens=40)),
        (ENGLISH, "The night train was late.", DecodeOptions(max_tokens=30)),
        (ENGLISH, LONG_PROMPT, DecodeOptions(max_tokens=12)),
        (MULTILINGUAL, "", DecodeOptions(max_tokens=40)),
        (MULTILINGUAL, "Der Zug", DecodeOptions(language="de", task="translate", max_tokens=20)),
    ],
)
def test_equals_whispers_own_greedy_decoding(tiny_recogniser, tones, n_vocab: int, prompt: str, options):
    recogniser = tiny_recogniser(pads=True, n_vocab=n_vocab)
    clips = [Clip(tones(seconds, seed), prompt) for seed, seconds in enumerate((0.3, 4.0, 17.7, 30.0))]
    hypotheses = Engine(recogniser, options).transcribe(clips)
    cut_off = set()
    for clip, hypothesis in zip(clips, hypotheses, strict=True):
        result, text = _decoded(recogniser.whisper, clip.audio, prompt, options)
        assert hypothesis.text == text
        # Whisper's tokens end before the end mark: if there was one, it was decoded too.
        assert hypothesis.cut_off == (len(result.tokens) == options.max_tokens)
        assert hypothesis.decode_tokens == len(result.tokens) - hypothesis.cut_off
        if not hypothesis.cut_off:
            assert hypothesis.mean_log_probability == pytest.approx(result.avg_logprob, abs=2e-3)
        cut_off.add(hypothesis.cut_off)
    assert len({hypothesis.text for hypothesis in hypotheses}) > 2  # the models do hear differences
    assert False in cut_off or options.max_tokens < 40


def test_the_text_context_bounds_a_text_as_in_whisper(tiny_recogniser, tones):
    # 26 tokens of prompt and marks in a context of 48: the last token decoded needs no position any more.
    recogniser = tiny_recogniser(pads=True, n_text_ctx=48)
    with torch.no_grad():
        recogniser.whisper.decoder.token_embedding.weight[get_tokenizer(False).eot] = 0  # never ends by itself
    options = DecodeOptions()
    prompt, clip = "word " * 60, tones(3.0, 4)
    [hypothesis] = Engine(recogniser, options).transcribe([Clip(clip, prompt)])
    result, text = _decoded(recogniser.whisper, clip, prompt, options)
    assert (hypothesis.text, hypothesis.decode_tokens) == (text, len(result.tokens) - hypothesis.cut_off)
    assert hypothesis.prompt_tokens == 1 + 23 + 2
    assert hypothesis.cut_off
    assert hypothesis.decode_tokens == 48 - 26


@pytest.mark.parametrize(
    ("n_vocab", "prompt", "expected"),
    [
        (ENGLISH, "", "<|startoftranscript|><|notimestamps|>"),
        (MULTILINGUAL, "", "<|startoftranscript|><|en|><|transcribe|><|notimestamps|>"),
        (ENGLISH, "  The storm. ", "<|startofprev|> The storm.<|startoftranscript|><|notimestamps|>"),
    ],
)
def test_prompt_tokens_read_as_whispers_format(tiny_recogniser, tones, fed, n_vocab: int, prompt: str, expected: str):
    recogniser = tiny_recogniser(n_vocab=n_vocab)
    [hypothesis] = Engine(recogniser, DecodeOptions(max_tokens=3)).transcribe([Clip(tones(1.0, 1), prompt)])
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
    lengths = (0.0, 0.001, 0.3, 0.5, 1.0, 1.0, 1.0, 1.01, 1.013, 2.0, 5.5, 5.5, 5.5, 5.5, 12.0)
    clips = [Clip(tones(seconds, seed)) for seed, seconds in enumerate(lengths)]
    return clips + [Clip(clip.audio, "as said before") for clip in clips[4:9]]


OPTIONS = DecodeOptions(max_tokens=40)


def test_a_clip_has_the_same_text_alone_and_in_any_batch(tiny_recogniser, mixed):
    recogniser = tiny_recogniser()
    alone = [Engine(recogniser, OPTIONS).transcribe([clip])[0] for clip in mixed]
    assert len({h.decode_tokens for h in alone[10:14]}) > 1  # equally long, yet they leave the batch at different steps
    for batch_bytes in (5 << 20, 1 << 30):
        together = Engine(recogniser, OPTIONS, batch_bytes=batch_bytes).transcribe(mixed)
        assert all(map(_same, together, alone))


def test_order_is_kept(tiny_recogniser, mixed):
    engine = Engine(tiny_recogniser(), OPTIONS)
    forwards = engine.transcribe(mixed)
    backwards = Engine(tiny_recogniser(), OPTIONS).transcribe(mixed[::-1])
    assert all(map(_same, backwards[::-1], forwards))
    assert engine.transcribe([mixed[7], mixed[3], mixed[7]]) == [forwards[7], forwards[3], forwards[7]]
    assert engine.transcribe([]) == []


def test_equal_clips_are_computed_once_and_progress_counts_the_rest(tiny_recogniser, mixed):
    engine = Engine(tiny_recogniser(), OPTIONS, batch_bytes=3 << 20)
    told: list[tuple[int, int]] = []
    copies = [Clip(clip.audio.copy(), clip.prompt) for clip in mixed]
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
        Engine(tiny_recogniser(), OPTIONS, TranscriptCache(path)),
        Engine(tiny_recogniser(), DecodeOptions(max_tokens=41), TranscriptCache(path)),
        Engine(tiny_recogniser(pads=True), OPTIONS, TranscriptCache(path)),
    ]
    clips = [Clip(audio), Clip(audio, "before"), Clip(louder), Clip(audio[:-1])]
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


def test_short_and_empty_clips_are_padded_to_half_a_second(tiny_recogniser, tones):
    engine = Engine(tiny_recogniser(), OPTIONS)
    audio = tones(0.2, 3)
    padded = np.concatenate([audio, np.zeros(8_000 - len(audio), np.float32)])
    short, whole, empty, silence = engine.transcribe(
        [Clip(audio), Clip(padded), Clip(audio[:0]), Clip(np.zeros(8_000, np.float32))]
    )
    assert short == whole
    assert empty == silence
    assert empty != short


def test_the_encoder_hears_what_was_given_and_no_more(tiny_recogniser, tones):
    for pads, expected in ((False, [1500, 51, 50, 25]), (True, [1500] * 4)):
        recogniser = tiny_recogniser(pads=pads)
        positions: list[int] = []
        hook = recogniser.whisper.encoder.ln_post.register_forward_hook(
            lambda *a, to=positions: to.append(a[2].shape[1])
        )
        Engine(recogniser, DecodeOptions(max_tokens=1), batch_bytes=1).transcribe(
            [Clip(tones(seconds, 1)) for seconds in (0.1, 1.0, 1.0001, 30.0)]
        )
        hook.remove()
        assert positions == expected


def test_a_clip_longer_than_the_model_hears_is_refused(tiny_recogniser, tones):
    engine = Engine(tiny_recogniser(n_audio_ctx=100), OPTIONS)
    engine.transcribe([Clip(tones(2.0, 1))])
    with pytest.raises(InputError, match=r"a call of 2\.5 s; tiny-random hears at most 2 s"):
        engine.transcribe([Clip(tones(1.0, 2)), Clip(tones(2.5, 1))])
    assert engine.computed == 1


def test_finished_rows_leave_the_batch(tiny_recogniser, mixed, fed):
    hypotheses = Engine(tiny_recogniser(), OPTIONS).transcribe(mixed[10:14])
    steps = sorted((hypothesis.decode_tokens for hypothesis in hypotheses), reverse=True)
    assert [len(rows) for rows in fed] == [sum(count >= step for count in steps) for step in range(steps[0] + 1)]


def test_equal_audio_is_encoded_once(tiny_recogniser, tones):
    recogniser = tiny_recogniser()
    encoded: list[int] = []
    hook = recogniser.whisper.encoder.ln_post.register_forward_hook(lambda *a: encoded.append(len(a[2])))
    clips = [Clip(tones(1.0, seed), prompt) for seed in (1, 2) for prompt in ("", "one", "one two")]
    Engine(recogniser, DecodeOptions(max_tokens=1)).transcribe(clips)
    hook.remove()
    assert sum(encoded) == 2


def test_the_engine_leaves_the_models_weights_as_they_are(tiny_whisper, tiny_recogniser, tones):
    recogniser = tiny_recogniser()
    Engine(recogniser, OPTIONS).transcribe([Clip(tones(1.0, 1))])
    for name, tensor in tiny_whisper().state_dict().items():
        assert torch.equal(recogniser.whisper.state_dict()[name], tensor), name
