"""Word times from cross-attention: the weights against matrices multiplied by hand, the rest with planted answers."""

import numpy as np
import pytest
import torch
import whisper
from earspan.speech.asr.attention import AttendedWord, Attention, alignment_heads, most_attended, stop_at_margin
from earspan.speech.asr.cache import TranscriptCache
from earspan.speech.asr.hypothesis import Clip, DecodeOptions
from earspan.speech.asr.torch_engine import Engine

from ..planted import heard_as


def encoded(model: whisper.Whisper, clip: Clip) -> torch.Tensor:
    mel = whisper.log_mel_spectrogram(clip.audio, model.dims.n_mels, padding=480_000)[:, : len(clip.audio) // 160]
    return model.encoder(whisper.pad_or_trim(mel, 3000)[None])


def by_hand(recogniser, clip: Clip, tokens: list[int], layer: int, head: int) -> torch.Tensor:
    """softmax(q k / sqrt(d)) of one head over the audio of one clip alone, shape = (tokens, positions)."""
    model, seen = recogniser.whisper, {}
    cross = model.decoder.blocks[layer].cross_attn
    hook = cross.register_forward_pre_hook(lambda _, inputs: seen.update(x=inputs[0], xa=inputs[1]))
    with torch.no_grad():
        model.decoder(torch.tensor([tokens]), encoded(model, clip))
        hook.remove()
        width = model.dims.n_text_state // model.dims.n_text_head
        part = slice(head * width, (head + 1) * width)
        q, k = cross.query(seen["x"])[0, :, part], cross.key(seen["xa"])[0, :, part]
        return (q @ k.T / width**0.5)[:, : len(clip.audio) // 320].softmax(-1)


def test_weights_are_those_of_each_clip_alone(tiny_recogniser, tones):
    recogniser = tiny_recogniser()
    clips = [Clip(tones(2.0, seed)) for seed in (1, 2, 3)]
    tokens = [[50257, 50362, 100, 200, 300], [50257, 50362, 7], [50257, 50362, 9, 8, 7, 6, 5, 4]]
    heads = [(0, 1), (1, 0), (1, 1)]
    found = Attention(recogniser, heads=heads).weights(clips, tokens)
    for clip, row, weights in zip(clips, tokens, found, strict=True):
        assert weights.shape == (3, len(row), 100)
        for one, (layer, head) in zip(weights, heads, strict=True):
            torch.testing.assert_close(one, by_hand(recogniser, clip, row, layer, head), atol=2e-5, rtol=1e-3)


def test_padding_is_not_attended(tiny_recogniser, tones):
    [weights] = Attention(tiny_recogniser()).weights([Clip(tones(1.3, 1))], [[50257, 50362, 5]])
    assert weights.shape == (2, 3, 65)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3))


def planted(frames: list[int], positions: int = 60, width: int = 5) -> torch.Tensor:
    weights = torch.full((len(frames), positions), 0.01)
    for token, frame in enumerate(frames):
        weights[token, max(0, frame - width // 2) : frame + width // 2 + 1] += 0.2
    return weights


def test_the_frame_that_is_attended_most():
    frames = [5, 12, 20, 33, 50]
    clean = planted(frames)
    assert [abs(a - b) <= 2 for a, b in zip(most_attended(clean[None]), frames, strict=True)] == [True] * 5
    sink, spike = clean.clone(), clean.clone()
    sink[:, 40] += 3.0  # where every token looks, no token is told from another
    spike[2, 55] += 1.0  # one frame alone is noise to the median
    for weights in (sink, spike):
        assert most_attended(weights[None]) == most_attended(clean[None])
    assert most_attended(torch.stack([clean, torch.full_like(clean, 0.02)])) == most_attended(clean[None])
    assert len(most_attended(torch.rand(1, 3, 2))) == 3  # shorter than the median


class Planted(Attention):
    """Each token attends to ten frames after the one before, from the first row on."""

    def weights(self, clips, tokens):
        return [planted([10 * i for i in range(len(row))], 200)[None] for row in tokens]


def test_words_are_timed_by_the_rows_that_predict_them(tiny_recogniser):
    clip = Clip(np.zeros(64_000, np.float32))
    attention = Planted(tiny_recogniser())
    [words] = attention.words([clip], ["one two extraordinarily"])
    counts = [len(attention._tokenizer.encode(" " + word)) for word in ("one", "two", "extraordinarily")]
    assert [word.tokens for word in words] == counts
    last_rows = 1 + np.cumsum(counts) - 1  # two tokens begin; the second of them predicts the first word
    assert [word.text for word in words] == ["one", "two", "extraordinarily"]
    assert [word.at_s for word in words] == pytest.approx([0.02 * (10 * row + 0.5) for row in last_rows], abs=0.05)
    [after] = attention.words([Clip(clip.audio, prefix="one two")], ["extraordinarily"])
    assert [(word.text, word.tokens) for word in after] == [("extraordinarily", counts[2])]
    assert after[0].at_s == pytest.approx(words[2].at_s)
    assert attention.words([clip], [""]) == [()]
    assert attention.words([], []) == []


def test_times_are_computed_once(tiny_recogniser, tones, tmp_path, monkeypatch):
    cache = TranscriptCache(tmp_path / "cache")
    clips, texts = [Clip(tones(1.0, 1)), Clip(tones(2.0, 2))], ["a b", "c"]
    first = Attention(tiny_recogniser(), cache=cache).words(clips, texts)
    monkeypatch.setattr(Attention, "weights", lambda *_: pytest.fail("computed again"))
    assert Attention(tiny_recogniser(), cache=cache).words(clips, texts) == first
    with pytest.raises(pytest.fail.Exception):
        Attention(tiny_recogniser(), cache=cache, heads=[(0, 0)]).words(clips, texts)


def test_heads_are_those_that_openai_whisper_names(tiny_recogniser):
    assert alignment_heads(tiny_recogniser()) == [(1, 0), (1, 1)]  # its default: the later half of the layers


@pytest.mark.parametrize(
    ("times", "margin_s", "kept", "steps"),
    [
        ([0.5, 1.0, 3.0], 0.5, 3, 9),  # none near the end of the 4 s: as it was
        ([0.5, 1.0, 3.6], 0.5, 2, 5),  # the third attends to the last half second: two words and the token that told
        ([0.5, 3.6, 1.0], 0.5, 1, 3),
        ([3.9], 0.5, 0, 1),
        ([3.9], 0.0, 1, 9),  # a margin of 0 stops at nothing
        ([], 0.5, 0, 9),
    ],
)
def test_where_the_decoding_stops(times: list[float], margin_s: float, kept: int, steps: int):
    words = [AttendedWord(f"w{i}", at_s, 2) for i, at_s in enumerate(times)]
    hypothesis = heard_as(" ".join(w.text for w in words), tuple(range(9)))
    found, left = stop_at_margin(hypothesis, words, 4.0, margin_s)
    assert left == tuple(words[:kept])
    assert found.text == " ".join(w.text for w in words[:kept])
    assert found.decode_tokens == len(found.tokens) == steps
    assert found.stopped == (kept < len(words))
    assert found.runs[0].ended == (not found.stopped)
    assert not found.cut_off


def test_a_jump_back_stops_too():
    words = [AttendedWord("a", 8.0, 1), AttendedWord("b", 4.5, 1), AttendedWord("c", 3.9, 1)]
    assert stop_at_margin(heard_as("a b c", (1, 2, 3)), words, 10.0, 0.5)[1] == tuple(words[:2])


@pytest.mark.parametrize("words", [3, 400])
def test_attention_reads_the_prefix_that_the_engine_goes_on_from(tiny_recogniser, tones, words: int):
    """Also one that is longer than what a text may go on from: its end."""
    recogniser, read = tiny_recogniser(), []

    class Reading(Attention):
        def weights(self, clips, tokens):
            read.extend(tokens)
            return super().weights(clips, tokens)

    clip = Clip(tones(2.0, 4), prompt="before", prefix=" ".join(f"n{n}" for n in range(words)))
    asked = Clip(clip.audio, prefix=clip.prefix, mode="text")
    [heard] = Engine(recogniser, DecodeOptions(max_tokens=1)).transcribe([asked])
    Reading(recogniser).words([clip], ["after"])
    tokenizer = recogniser.tokenizer("en", "transcribe")
    [tokens] = read
    after = tokenizer.encode(" after")
    assert tokens[-len(after) :] == after
    assert len(tokens) - len(after) == heard.prompt_tokens
    assert tokenizer.decode(tokens[2 : -len(after)]).split()[-3:] == clip.prefix.split()[-3:]
