"""The bundled recordings: whole, small enough, words where their times say, and no part of pocket's training text."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from earspan.datasets import SAMPLE_RATE, Recording, Word, open_dataset
from earspan.datasets.synthesis import Utterance
from earspan.datasets.talks import build
from earspan.speech.pocket import corpus
from earspan.speech.pocket.text import TextSource, lexicon

TALKS = open_dataset("talks")
FOLDER = TALKS.path.parent
# The two corpora that `pocket` heard (LOG.md), as (share of lists, shards, sentences a shard): 20 minutes hold at most
# 522 sentences of the first, 494 of the second.
CORPORA = ((0.3, 120, 530), (corpus.LIST_SHARE, 50, 500))


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    """One of each synthesiser, and one voice that training never heard: decoding all nine takes long."""
    wanted = ("machines-that-listen", "the-sea-and-the-weather", "market-day")
    return [entry.load() for entry in TALKS if entry.id in wanted]


def level_db(audio: np.ndarray, start_s: float, end_s: float) -> float:
    piece = audio[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)].astype(np.float64)
    return 10 * float(np.log10(np.mean(piece**2) + 1e-12))


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def sentences_of(text: str) -> list[str]:
    """Without case and punctuation, as equality should not depend on them."""
    return [" ".join(words_of(sentence)) for sentence in re.split(r"[.?!]\s*", text) if words_of(sentence)]


def test_at_least_six_recordings_of_two_to_four_minutes():
    assert len(TALKS) >= 6
    assert all(120 <= entry.duration_s <= 240 for entry in TALKS)  # opening has compared them with the files
    assert len(TALKS.speakers) >= 6
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 25e6


def test_texts_are_those_that_were_written():
    texts = {path.stem: path.read_text(encoding="utf-8").split() for path in (FOLDER / "texts").glob("*.txt")}
    assert {entry.id: entry.text.split() for entry in TALKS} == texts
    for entry in TALKS:
        assert entry.words is not None
        assert [word.text for word in entry.words] == entry.text.split()
        assert entry.speaker == build.VOICES[entry.id].name


def test_words_sound_and_pauses_do_not(recordings: list[Recording]):
    for recording in recordings:
        assert recording.words is not None
        words = recording.words
        assert np.abs(recording.audio).max() == pytest.approx(build.PEAK, rel=0.15)
        assert all(word.start_s < word.end_s <= recording.duration_s for word in words)
        levels = [level_db(recording.audio, word.start_s, word.end_s) for word in words]
        pauses = [
            level_db(recording.audio, earlier.end_s + 0.05, later.start_s - 0.05)
            for earlier, later in itertools.pairwise(words)
            if later.start_s - earlier.end_s > 0.2 and earlier.text[-1] in ".?"
        ]
        assert len(pauses) > 20
        # An error of a tenth of a second would put speech into a pause, or a pause into a short word.
        assert max(pauses) < -45
        assert min(levels) > -40
        assert level_db(recording.audio, 0.05, words[0].start_s - 0.05) < -60
        assert level_db(recording.audio, words[-1].end_s + 0.05, recording.duration_s) < -45


def test_every_word_is_one_that_training_can_teach():
    for entry in TALKS:
        assert set(words_of(entry.text)) <= lexicon().vocabulary


@pytest.fixture(scope="module")
def training_sentences() -> set[str]:
    return {
        sentence
        for list_share, shards, sentences in CORPORA
        for number in range(shards)
        for source in [TextSource(corpus.SEED * 1000 + number, list_share)]
        for _ in range(sentences)
        for sentence in sentences_of(source.sentence())
    }


def test_no_sentence_is_in_the_training_text(training_sentences: set[str]):
    spoken = {sentence for entry in TALKS for sentence in sentences_of(entry.text)}
    # Two or three words ("And then?") may well be said by chance.
    assert not {sentence for sentence in spoken & training_sentences if len(sentence.split()) > 3}
    assert len(training_sentences) > 50_000


def test_a_third_of_the_voices_was_never_heard_in_training():
    trained = {f"flite:{name}" for name in corpus.FLITE_VOICES}
    trained |= {f"espeak:{name}" for name in corpus.ESPEAK_VOICES}
    assert TALKS.speakers - trained == set(corpus.UNSEEN_VOICES)
    assert len(corpus.UNSEEN_VOICES) * 3 >= len(TALKS.speakers)


def test_the_folder_states_its_licence():
    assert TALKS.licence
    assert (FOLDER / "README.md").is_file() or (FOLDER / "LICENSE").is_file()


def test_build_speaks_sentence_by_sentence_with_pauses_between(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The builder with a planted synthesiser: one click a word."""

    def click(sentence: str, voice: build.Voice):
        tokens = sentence.split()
        audio = np.tile(np.repeat(np.array([0.8, 0.0], np.float32), 800), len(tokens))
        return Utterance(audio, tuple(Word(t, 0.1 * n, 0.1 * n + 0.05) for n, t in enumerate(tokens)))

    monkeypatch.setattr(build, "speak", click)
    monkeypatch.setattr(build, "VOICES", {"short": build.Voice("flite:rms")})
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "short.txt").write_text("One two three.\nFour five.\n")
    build.build(tmp_path)
    [entry] = open_dataset(tmp_path)
    recording = entry.load()
    assert entry.text == "One two three. Four five."
    assert recording.words is not None
    for word in recording.words:
        assert level_db(recording.audio, word.start_s + 0.01, word.end_s - 0.01) > -20
