"""CTranslate2 as an engine: the same text from the same weights, and a folder that faster-whisper loads."""

from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.speech.asr import ct2_format
from earspan.speech.asr.engines import make_engine
from earspan.speech.asr.hypothesis import Clip, DecodeOptions
from earspan.speech.asr.torch_engine import Engine
from whisper.tokenizer import get_tokenizer

ENGLISH, MULTILINGUAL = 51_864, 51_865
OPTIONS = DecodeOptions(max_tokens=20, temperatures=(0.0,))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return pytest.importorskip("ctranslate2", reason="needs earspan[ct2]")


@pytest.mark.parametrize("n_vocab", [ENGLISH, MULTILINGUAL])
def test_the_same_weights_give_the_same_text(installed, tiny_recogniser, tones, n_vocab: int):
    recogniser = tiny_recogniser(n_vocab=n_vocab)
    before, begun = "said before", "so it begins"
    given = [("", ""), (before, ""), ("", "", (), "text"), ("", begun, (), "text"), (before, begun, (), "text")]
    clips = [Clip(tones(2.0 + seed, seed), *one) for seed in range(3) for one in given]
    clips += [Clip(tones(34.0, 4)), Clip(tones(31.0, 5), mode="segment")]
    clips += [Clip(tones(2.0, 6), "word " * count) for count in (17, 18, 23, 300)]  # around the limit of 20 tokens
    reference = Engine(recogniser, OPTIONS).transcribe(clips)
    found = make_engine("ct2-float32", recogniser, OPTIONS).transcribe(clips)
    # near ties may go either way
    assert sum(mine.tokens == theirs.tokens for mine, theirs in zip(reference, found, strict=True)) >= len(clips) - 1
    for mine, theirs in zip(reference, found, strict=True):
        if mine.tokens == theirs.tokens:
            assert mine.runs == theirs.runs
            assert (mine.text, mine.segments, mine.heard_s) == (theirs.text, theirs.segments, theirs.heard_s)
            if mine.runs:
                assert mine.no_speech_probability == pytest.approx(theirs.no_speech_probability, abs=1e-3)
            assert mine.mean_log_probability == pytest.approx(theirs.mean_log_probability, abs=5e-3)


def test_a_text_mode_call_is_greedy_whatever_the_options(installed, tiny_recogniser, tones):
    recogniser, clip = tiny_recogniser(), Clip(tones(2.0, 1), mode="text")
    sought = make_engine("ct2-float32", recogniser, DecodeOptions(max_tokens=8, beam_size=4)).transcribe([clip])
    assert sought == make_engine("ct2-float32", recogniser, DecodeOptions(max_tokens=8)).transcribe([clip])


def test_the_folder_is_made_once_and_whole(installed, tiny_recogniser, tmp_path: Path, monkeypatch):
    recogniser = tiny_recogniser(n_audio_ctx=50)
    folder = ct2_format.ensure_converted(recogniser, "int8")
    monkeypatch.setattr(ct2_format, "convert", None)
    assert ct2_format.ensure_converted(recogniser, "int8") == folder
    names = {"config.json", "earspan.json", "model.bin", "preprocessor_config.json", "tokenizer.json"}
    assert names <= {file.name for file in folder.iterdir()}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    monkeypatch.undo()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(InputError, match="not empty, and no converted model"):
        ct2_format.convert(recogniser, tmp_path / "mine", "int8")
    with pytest.raises(InputError, match="unknown quantization 'int9'; did you mean 'int8'"):
        ct2_format.convert(recogniser, tmp_path / "new", "int9")
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_what_ctranslate2_has_no_equal_of_is_refused(installed, tiny_recogniser):
    with pytest.raises(InputError, match="no length penalty here; type --engine torch"):
        make_engine("ct2-float32", tiny_recogniser(n_audio_ctx=50), DecodeOptions(length_penalty=0.5))


@pytest.mark.parametrize("multilingual", [False, True])
def test_the_tokenizer_for_faster_whisper_is_openais(tmp_path: Path, multilingual: bool):
    tokenizers = pytest.importorskip("tokenizers", reason="needs earspan[ct2]")
    import json

    mine = get_tokenizer(multilingual)
    theirs = tokenizers.Tokenizer.from_str(json.dumps(ct2_format._tokenizer_json(mine)))
    for text in (" The night train.", "naïve “quotes”\n 1,234 — 東京 🙂", "  don't  they'll", ""):
        assert theirs.encode(text).ids == mine.encode(text)
        assert theirs.decode(mine.encode(text)) == text
    assert theirs.token_to_id("<|startofprev|>") == mine.sot_prev
    assert theirs.get_vocab_size() == mine.encoding.n_vocab


def test_merges_are_found_again():
    # a, b, c, ab, abc (of ab and c), ca, abca (of abc and a: ab came first)
    ranks = {b"a": 0, b"b": 1, b"c": 2, b"ab": 3, b"abc": 4, b"ca": 5, b"abca": 6}
    assert list(ct2_format._merges(ranks)) == [(b"a", b"b"), (b"ab", b"c"), (b"c", b"a"), (b"abc", b"a")]


def test_without_the_library_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tiny_recogniser):
    monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
    with pytest.raises(InputError, match=r"CTranslate2 is not installed; type pip install 'earspan\[ct2\]'"):
        make_engine("ct2-int8", tiny_recogniser(n_audio_ctx=50))
