"""Byte pairs merged no further than a model knows: the same text, and the counts of a model that knows them all."""

from pathlib import Path

import pytest
import tiktoken
from earspan.speech.hypothesis import Hypothesis
from earspan.speech.model import load_recogniser
from earspan.speech.strategies import Call
from earspan.speech.token_counts import counted_by
from earspan.speech.tokens import merged_tokens, merging_less
from hypothesis import given
from hypothesis import strategies as st
from whisper.model import ModelDimensions
from whisper.tokenizer import get_tokenizer

WHOLE = get_tokenizer(multilingual=False)
LARGE = ModelDimensions(128, 1500, 1280, 20, 32, 51_866, 448, 1280, 20, 32)


@given(st.text(max_size=40), st.sampled_from([256, 300, 1024, 50_256]))
def test_text_comes_back_from_the_first_tokens_alone(text: str, merged: int):
    less = merging_less(WHOLE, merged)
    tokens = less.encode(text)
    assert all(token < merged for token in tokens)
    assert less.decode(tokens) == WHOLE.decode(tokens) == text
    assert len(tokens) >= len(WHOLE.encode(text))


def test_merging_ends_where_a_tokenizer_trained_to_that_size_would():
    """Bytes alone, and the pairs of GPT-2's merge list one by one: "th" is its fourth, " the" its seventh."""
    assert merging_less(WHOLE, 256).encode(" the") == [WHOLE.encoding.encode_single_token(c) for c in " the"]
    words = [[WHOLE.decode([token]) for token in merging_less(WHOLE, n).encode(" the")] for n in range(256, 264)]
    by_hand = tiktoken.Encoding(
        "first",
        pat_str=WHOLE.encoding._pat_str,
        mergeable_ranks={WHOLE.encoding.decode_single_token_bytes(token): token for token in range(264)},
        special_tokens={},
    )
    assert words[0] == list(" the")
    assert words[-1] == [by_hand.decode([token]) for token in by_hand.encode(" the")]
    assert len(words[-1]) < 4


def test_special_tokens_stay():
    less = merging_less(get_tokenizer(True, language="en", task="transcribe"), 1024)
    assert less.sot_sequence_including_notimestamps == (50_258, 50_259, 50_359, 50_363)
    assert less.decode([50_000]) == get_tokenizer(True).decode([50_000])  # reads what it does not write


@pytest.mark.parametrize(
    ("token_ids", "expected"),
    [(range(256), 256), ([*range(300), 50_256], 300), ([*range(255), 300], None), ([], None), (range(51_864), 51_864)],
)
def test_how_far_a_model_merges(token_ids, expected: int | None):
    assert merged_tokens(list(token_ids)) == expected


def test_pocket_writes_prompts_with_the_tokens_that_it_knows():
    pocket = load_recogniser("pocket")
    assert pocket.merged
    assert max(pocket.tokenizer("en", "transcribe").encode(" A sturdy carpenter's zyzzyva.")) < pocket.merged


TEXT = "A sturdy carpenter repaired the violin."


def heard(**changes) -> Hypothesis:
    tokens = tuple(merging_less(WHOLE, 512).encode(" " + TEXT))
    given = {"text": TEXT, "prompt_tokens": 2, "decode_tokens": len(tokens), "tokens": tokens, "cut_off": False}
    return Hypothesis(**{**given, "mean_log_probability": -0.1, **changes})


def call(prompt: str = "", prefix: str = "") -> Call:
    return Call(0.0, 5.0, prompt, prefix)


def test_counts_are_those_of_the_other_model():
    multilingual = get_tokenizer(True, language="en", task="transcribe")
    written = len(multilingual.encode(" " + TEXT))
    found = counted_by(multilingual, LARGE, call(), heard())
    assert (found.decode_tokens, found.prompt_tokens) == (written, 4)
    assert found.text == TEXT

    prompted = counted_by(multilingual, LARGE, call("Earlier words.", "Now"), heard())
    added = 1 + len(multilingual.encode(" Earlier words.")) + len(multilingual.encode(" Now"))
    assert prompted.prompt_tokens == 4 + added

    assert counted_by(multilingual, LARGE, call(), heard(cut_off=True)).decode_tokens == written - 1
    # Stopped at a word: the steps of what is left, and the one that found it.
    stopped = heard(text="A sturdy", decode_tokens=3, stopped=True)
    assert counted_by(multilingual, LARGE, call(), stopped).decode_tokens == len(multilingual.encode(" A sturdy")) + 1
    empty = heard(text="", tokens=(), decode_tokens=0)
    assert counted_by(multilingual, LARGE, call(), empty).decode_tokens == 0


def test_counts_of_the_same_tokenizer_do_not_change():
    tokens = tuple(WHOLE.encode(" " + TEXT))
    own = heard(tokens=tokens, decode_tokens=len(tokens), proposals=(8, 3, 0))
    assert counted_by(WHOLE, LARGE, call(), own) == own


def test_drafts_shrink_with_the_text():
    hypothesis = heard(proposals=(20, 10, 0))
    size = len(WHOLE.encode(" " + TEXT)) / len(hypothesis.tokens)
    assert size < 0.7
    found = counted_by(WHOLE, LARGE, call(), hypothesis).proposals
    assert [count - size * old for count, old in zip(found, (20, 10, 0), strict=True)] == pytest.approx(
        [0.5] * 3, abs=0.5
    )


def test_a_checkpoint_without_the_bytes_writes_with_all_tokens(tmp_path: Path, tiny_whisper):
    from dataclasses import asdict

    import torch
    from earspan.speech.pocket.checkpoint import compact

    model = tiny_whisper(n_audio_ctx=50)
    table = {"decoder.token_embedding.weight": torch.randn(4, 64)}
    torch.save(compact(asdict(model.dims), {**model.state_dict(), **table}, (3, 7, 50_256)), tmp_path / "few.pt")
    few = load_recogniser(str(tmp_path / "few.pt"))
    assert few.merged is None
    assert few.tokenizer("en", "transcribe").encode(" sturdy") == WHOLE.encode(" sturdy")
