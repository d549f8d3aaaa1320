"""What the words around a homophone tell: planted texts, a model that knows one rule, and Witten and Bell by hand."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.benchmarks import homophone_context
from earspan.benchmarks.homophone_context import BEGIN, END, places, spelling_errors, word_model
from earspan.datasets.recording import Recording, Word

GROUPS = {word: frozenset({"sea", "see"}) for word in ("sea", "see")}


class AfterAnArticle:
    """Knows that an article comes before "sea" and nothing else; "see", all else being equal, is likelier."""

    def score(self, word: str, context: Sequence[str]) -> float:
        if word == "sea":
            return 0.9 if context and context[-1] == "the" else 0.01
        return 0.02


def spoken(text: str) -> Recording:
    """One word a second, each of them half a second long."""
    words = tuple(Word(word, float(n), n + 0.5) for n, word in enumerate(text.split()))
    return Recording("a", np.zeros(16_000 * len(words), np.float32), text, words, "planted", None)


@pytest.mark.parametrize(("window_s", "wrong"), [(1.0, 2), (2.0, 1), (3.0, 2), (4.0, 0), (30.0, 0)])
def test_a_word_helps_where_it_is_in_the_same_window(window_s: float, wrong: int):
    """The articles begin at 2 s and at 5 s, and the words that they decide a second later."""
    rates = spelling_errors(AfterAnArticle(), [spoken("I saw the sea and the sea.")], GROUPS, window_s)
    assert [(rate.errors, rate.ref_words) for rate in rates] == [(wrong, 2)]


def test_sentences_begin_and_end_in_the_window_of_their_first_and_last_word():
    read = places(spoken("We see. Cats"), 2.0, order=2)
    assert read == [(BEGIN, 0), ("we", 0), ("see", 0), (END, 0), (BEGIN, 1), ("cats", 1)]


def test_words_after_it_count_as_much_as_those_before():
    pytest.importorskip("nltk", reason="needs NLTK: pip install 'earspan[language]'")
    sentences = ["I see ships.", "I see ships.", "I see land.", "The sea is cold.", "The sea is near."]
    model = word_model(sentences)
    for text in ("See ships.", "Sea is near."):
        assert spelling_errors(model, [spoken(text)], GROUPS, 30.0)[0].errors == 0
    assert spelling_errors(model, [spoken("Sea is near.")], GROUPS, 1.0)[0].errors == 1


def test_the_model_is_witten_and_bells():
    """p(w | h) = (c(h w) + T(h) p(w)) / (c(h) + T(h)), T(h) the kinds of words after h (Witten and Bell 1991)."""
    pytest.importorskip("nltk", reason="needs NLTK: pip install 'earspan[language]'")
    words = [BEGIN, *"the sea saw the ship and the sea".split(), END]
    model = word_model([" ".join(words[1:-1])], order=2)
    pairs = list(pairwise(words))
    after = [second for first, second in pairs if first == "the"]
    for word in ("sea", "ship", "saw"):
        alone = model.score(word, [])
        expected = (after.count(word) + len(set(after)) * alone) / (len(after) + len(set(after)))
        assert model.score(word, ["the"]) == pytest.approx(expected)


def test_without_nltk_or_word_times_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "nltk.lm", None)
    with pytest.raises(InputError, match=r"pip install 'earspan\[language\]'"):
        word_model(["We see the sea."])
    untimed = Recording("b", np.zeros(16_000, np.float32), "We see.", None, "planted", None)
    with pytest.raises(InputError, match="no word times; expected a dataset that has them"):
        homophone_context.places(untimed, 2.0)


def test_a_dataset_without_word_times_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000, np.float32), 16_000)
    (tmp_path / "a.txt").write_text("We see the sea.")
    monkeypatch.setattr(sys, "argv", ["homophone_context", "--datasets", str(tmp_path)])
    monkeypatch.setattr(homophone_context, "word_model", lambda sentences: pytest.fail("read the texts first"))
    with pytest.raises(SystemExit) as stopped:
        homophone_context.main()
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("homophone_context: ")
    assert "no word times" in captured.err
