"""openai-whisper's normaliser, as it is; compounds; own rules and what is wrong with them."""

import warnings
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.datasets import open_dataset
from earspan.speech.metrics.normalise import get_normaliser, normalise, normaliser_version
from earspan.speech.metrics.wer import ErrorRate, score_text
from whisper.normalizers import EnglishTextNormalizer


def test_the_default_is_whispers_own():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves closing english.json to the collector
        own = EnglishTextNormalizer()
    for entry in list(open_dataset("talks"))[:3]:
        assert normalise(entry.text) == " ".join(own(entry.text).split())


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("the wi fi is on", "the wifi is on", 0),
        ("the blackboard broke", "the black board broke", 0),
        ("a black board and an ice cream", "a blackboard and an icecream", 0),
        ("some thing any one", "something anyone", 0),
        ("to day x", "today y", 1),
        ("the wi fi", "the wife", 2),  # other letters
        ("on line", "line on", 2),
        ("every one", "", 2),
        ("", "every one", 2),
    ],
)
def test_compounds(reference: str, hypothesis: str, errors: int):
    rate = score_text(reference, hypothesis, "whisper+compounds")
    assert (rate.errors, rate.ref_words) == (errors, len(reference.split()))
    assert score_text(reference, hypothesis, "whisper").errors >= errors


def test_own_rules(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text('lowercase = true\nremove = ["\\\\[.*?\\\\]"]\n[replace]\n"\\\\bgonna\\\\b" = "going to"\n')
    assert normalise("[noise] I'm Gonna  go.", str(path)) == "i'm going to go."
    assert score_text("Going to", "gonna", str(path)) == ErrorRate(0, 0, 0, 2)
    assert str(path) in normaliser_version(str(path))
    assert "sha256" in normaliser_version(str(path))
    other = tmp_path / "other.toml"
    other.write_text('base = "whisper"\ncompounds = true\n')
    assert normalise("Colour, 21", str(other)) == "color 21"
    assert score_text("wi fi", "Wifi.", str(other)).errors == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("bass = 'whisper'", "did you mean 'base'"),
        ("base = 'oasr'", "expected 'whisper' or 'none'"),
        ("remove = ['(']", "no regular expression"),
        ("remove = 'x'", "expected remove"),
        ("lowercase = 1", "expected remove"),
        ("[replace]\n'a' = '\\2'", "cannot replace"),
        ("[replace]\n'a' = 1", "cannot replace"),
        ("=", "not TOML"),
    ],
)
def test_wrong_rules_are_refused(tmp_path: Path, content: str, message: str):
    path = tmp_path / "rules.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"rules\.toml") as caught:
        get_normaliser(str(path))
    assert message in str(caught.value)


def test_missing_rules_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        get_normaliser(str(tmp_path / "gone.toml"))
