"""`earspan cache` as a user meets it."""

import json

import pytest
from earspan.speech.asr.cache import Origin, TranscriptCache

ORIGIN = Origin("tiny.en", "0123456789abcdef" * 4, "torch 2 float32")


@pytest.fixture
def filled(tmp_path):
    path = tmp_path / "cache"
    cache = TranscriptCache(path)
    cache.put({f"key {n}": {"text": "x" * 100} for n in range(20)}, ORIGIN)
    cache.put({"newer": {"text": "y" * 1000}}, ORIGIN)
    cache.close()
    return path


def test_info_says_what_is_there(earspan, filled):
    code, out, err = earspan("cache", "info", "--path", filled)
    assert (code, err) == (0, "")
    assert "21 transcripts, 3." in out
    assert "tiny.en" in out
    assert "0123456789ab" in out
    code, out, _ = earspan("cache", "info", "--path", filled, "--json")
    [holding] = json.loads(out)["holdings"]
    assert (code, holding["transcripts"], holding["origin"]["engine"]) == (0, 21, "torch 2 float32")


def test_prune_and_clear(earspan, filled):
    assert earspan("cache", "prune", "--path", filled, "--days", 1)[1].endswith("0 B freed\n")
    code, out, _ = earspan("cache", "prune", "--path", filled, "--keep", "2kB")
    assert (code, out.split(": ")[1].split()[1:]) == (0, ["kB", "freed"])
    cache = TranscriptCache(filled)
    assert set(cache.get(["newer", "key 0"])) == {"newer"}
    cache.close()
    assert earspan("cache", "clear", "--path", filled)[0] == 0
    assert "0 transcripts" in earspan("cache", "info", "--path", filled)[1]


def test_where_there_is_no_cache_none_is_made(earspan, tmp_path):
    path = tmp_path / "nothing"
    assert "0 transcripts, 0 B" in earspan("cache", "info", "--path", path)[1]
    assert earspan("cache", "prune", "--path", path, "--days", 1)[0] == 0
    assert earspan("cache", "clear", "--path", path)[0] == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("prune",), "earspan cache prune --days 30"),
        (("info", "--days", "3"), "cache info takes no --days"),
        (("prune", "--keep", "lots"), "'lots' is not a size; expected for example 500M"),
        (("prune", "--days", "-1"), "expected 0 or more"),
        (("empty",), "invalid choice: 'empty'"),
    ],
)
def test_wrong_input_says_what_to_type(earspan, argv, message):
    code, out, err = earspan("cache", *argv)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
