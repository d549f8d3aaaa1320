"""The figures of pocket's model card, with transcripts whose errors are planted."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from earspan.benchmarks import pocket_card
from earspan.benchmarks.pocket_card import empty_windows, hallucinations, homophone_errors, main, one_word_homophones
from earspan.speech.engine import Clip, Hypothesis
from earspan.speech.pocket.checkpoint import BUNDLED


@pytest.mark.parametrize(
    ("said", "written", "wrong", "words"),
    [
        ("they went there", "they went there", 0, 1),
        ("they went there", "they went their", 1, 1),
        ("they went there", "they went home", 0, 1),  # wrong, but no homophone of it
        ("they went there", "they went", 0, 1),
        ("Two of us won.", "To of us one.", 2, 2),  # case and marks do not count
        ("I see the sea", "I sea the see", 2, 3),  # "I" sounds like "eye"
        ("nobody knows it", "nobody nose it", 1, 1),
        ("", "there", 0, 0),
    ],
)
def test_homophone_errors_are_words_written_as_another_that_sounds_alike(
    said: str, written: str, wrong: int, words: int
):
    [rate] = homophone_errors([said], [written])
    assert (rate.substitutions, rate.deletions, rate.insertions, rate.ref_words) == (wrong, 0, 0, words)


@pytest.mark.parametrize(
    ("said", "written", "wrong", "missing", "words"),
    [
        ("they went there", "they went their", 1, 0, 1),
        ("they went there", "they went home", 1, 0, 1),
        ("they went there", "they went", 0, 1, 1),
        ("they went there", "we came there", 0, 0, 1),  # words without homophones
        ("nobody knows the sea", "nobody knows it the see", 1, 0, 2),  # nor what is added
    ],
)
def test_every_error_at_a_word_with_homophones_can_be_counted(said, written, wrong, missing, words):
    [rate] = homophone_errors([said], [written], every=True)
    assert (rate.substitutions, rate.deletions, rate.insertions, rate.ref_words) == (wrong, missing, 0, words)


def test_homophones_are_compared_as_the_normaliser_writes_them():
    groups = one_word_homophones()
    assert groups["2"] == {"2", "to", "too"}
    assert groups["sea"] == {"sea", "see"}
    assert all(word in group for word, group in groups.items())
    assert all(" " not in word for word in groups)


def test_windows_without_speech_cover_silence_and_noise_of_all_lengths():
    kinds: dict[str, list[np.ndarray]] = {}
    for kind, audio in empty_windows():
        kinds.setdefault(kind, []).append(audio)
    assert set(kinds) == {"silence", *pocket_card.SLOPES}
    assert not any(audio.any() for audio in kinds["silence"])
    for kind in pocket_card.SLOPES:
        assert {len(audio) / 16_000 for audio in kinds[kind]} == set(pocket_card.EMPTY_WINDOWS_S)
        levels_db = [20 * np.log10(audio.std()) for audio in kinds[kind]]
        assert -61 < min(levels_db) < -50
        assert -20 < max(levels_db) < -9


@dataclass
class Talkative:
    """Says three words to any window with sound that is longer than 5 s, and nothing else."""

    def transcribe(self, clips: list[Clip]) -> list[Hypothesis]:
        return [
            Hypothesis("it is raining" if clip.audio.any() and len(clip.audio) > 80_000 else "", 2, 3, -1.0, False)
            for clip in clips
        ]


def test_words_where_nobody_speaks_are_counted():
    found = hallucinations(Talkative())  # pyright: ignore[reportArgumentType]
    assert found["silence"].with_text == found["silence"].words == 0
    for kind in pocket_card.SLOPES:
        windows = len(pocket_card.EMPTY_WINDOWS_S) * pocket_card.EMPTY_WINDOWS
        assert found[kind].windows == windows
        assert found[kind].with_text == 2 * pocket_card.EMPTY_WINDOWS
        assert found[kind].words == 3 * found[kind].with_text
        assert found[kind].audio_s == pocket_card.EMPTY_WINDOWS * sum(pocket_card.EMPTY_WINDOWS_S)


def test_the_card_of_a_checkpoint_by_its_path(small_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pocket_card, "EMPTY_WINDOWS", 1)
    monkeypatch.setattr(pocket_card, "EMPTY_WINDOWS_S", (0.5,))
    out = tmp_path / "card.json"
    main(["--model", str(BUNDLED), "--windows", "2,5", "--datasets", str(small_folder), "--out", str(out)])
    card = json.loads(out.read_text())
    [half] = card["halves"].values()
    assert set(half["wer"]) == {"2", "5"}
    assert half["wer"]["2"]["ref_words"] == half["wer"]["5"]["ref_words"] > 0
    printed = capsys.readouterr().out
    assert "| 5 s |" in printed
    assert "silence: text in" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--datasets", "talks-clean,nope"], "unknown dataset 'nope'"),
        (["--real", "nope"], "unknown dataset 'nope'"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--windows", "0"], "expected more than 0"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_heard(arguments, said: str, monkeypatch, capsys):
    monkeypatch.setattr(pocket_card, "play", lambda *given: pytest.fail("heard something"))
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
