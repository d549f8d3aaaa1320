"""The bundled recordings: two halves, small enough, words where their times say."""

import itertools
import json
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.datasets import SAMPLE_RATE, Entry, Recording, Word, open_dataset
from earspan.datasets.synthesis import Utterance, Voice
from earspan.datasets.talks import babble, build

TALKS = open_dataset("talks")
FOLDER = TALKS.path.parent


def loaded(*names: str) -> list[Recording]:
    return [entry.load() for entry in TALKS if entry.id in names]


@pytest.fixture(scope="module")
def clean() -> list[Recording]:
    """One of each synthesiser, and one more voice: decoding all takes long."""
    return loaded("machines-that-listen", "the-night-train", "a-room-for-two")


@pytest.fixture(scope="module")
def noisy() -> list[Recording]:
    """The driest and the most reverberant room, the smallest and the largest crowd."""
    return loaded("the-lost-letter", "the-sea-and-the-weather", "a-walk-in-the-old-city", "market-day")


def level_db(audio: np.ndarray, start_s: float, end_s: float) -> float:
    return power_db(audio[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)])


def power_db(audio: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(audio.astype(np.float64) ** 2) + 1e-12))


def pauses_of(recording: Recording) -> list[tuple[float, float]]:
    """Start and end of the pauses between sentences, a twentieth of a second from the words around them."""
    return [
        (earlier.end_s + 0.05, later.start_s - 0.05)
        for earlier, later in itertools.pairwise(recording.words or ())
        if later.start_s - earlier.end_s > 0.2 and earlier.text[-1] in ".?"
    ]


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())


def sentences_of(text: str) -> list[str]:
    """Without case and punctuation, as equality should not depend on them."""
    return [" ".join(words_of(sentence)) for sentence in re.split(r"[.?!]\s*", text) if words_of(sentence)]


def surroundings_of(entry: Entry) -> build.Room | build.Crowd | None:
    return build.PLANS[entry.id].surroundings


def test_sixteen_recordings_of_two_to_three_minutes():
    assert len(TALKS) == 16
    assert TALKS.audio_s >= 34 * 60
    assert all(110 <= entry.duration_s <= 180 for entry in TALKS)  # opening has compared them with the files
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 25e6


def test_every_voice_has_a_clean_and_a_noisy_recording():
    assert Counter((entry.speaker, entry.condition) for entry in TALKS) == {
        (voice, condition): 1 for voice in TALKS.speakers for condition in ("clean", "noisy")
    }
    assert len(TALKS.speakers) == 8


def test_half_of_the_noisy_ones_are_in_a_room_and_half_in_a_crowd():
    kinds = Counter(type(surroundings_of(entry)) for entry in TALKS)
    assert kinds == {type(None): 8, build.Room: 4, build.Crowd: 4}
    for plan in build.PLANS.values():
        match plan.surroundings:
            case build.Room(rt60_s, direct_to_reverberant_db, snr_db):
                assert 0.3 <= rt60_s <= 0.6
                assert 3 <= direct_to_reverberant_db <= 6
                assert snr_db == 20
            case build.Crowd(talkers, snr_db):
                assert 4 <= talkers <= 6
                assert snr_db == 10


def test_the_halves_are_datasets_by_name():
    halves = [open_dataset("talks-clean"), open_dataset("talks-noisy")]
    assert [len(half) for half in halves] == [8, 8]
    assert [{entry.condition for entry in half} for half in halves] == [{"clean"}, {"noisy"}]
    assert {entry.id for half in halves for entry in half} == {entry.id for entry in TALKS}
    assert [half.name for half in halves] == ["talks-clean", "talks-noisy"]
    with pytest.raises(InputError, match="did you mean 'talks-noisy'"):
        open_dataset("talks-noise")


def test_the_manifest_says_what_was_done():
    rows = [json.loads(line) for line in TALKS.path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        done = build.described(build.PLANS[row["id"]].surroundings)
        assert {key: row.get(key) for key in done} == done
        assert row.keys() - done.keys() == {"audio_filepath", "duration", "text", "id", "speaker", "words"}


def test_texts_are_those_that_were_written():
    texts = {path.stem: path.read_text(encoding="utf-8").split() for path in (FOLDER / "texts").glob("*.txt")}
    assert {entry.id: entry.text.split() for entry in TALKS} == texts
    for entry in TALKS:
        assert entry.words is not None
        assert [word.text for word in entry.words] == entry.text.split()
        assert entry.speaker == build.PLANS[entry.id].voice.name
        assert re.fullmatch(r"[A-Za-z' ,.?]+", entry.text)


def test_nothing_clips_and_words_lie_inside(clean: list[Recording], noisy: list[Recording]):
    for recording in (*clean, *noisy):
        assert np.abs(recording.audio).max() == pytest.approx(build.PEAK, rel=0.15)
        assert all(word.start_s < word.end_s <= recording.duration_s for word in recording.words or ())


def test_clean_words_sound_and_pauses_do_not(clean: list[Recording]):
    for recording in clean:
        words, pauses = recording.words, pauses_of(recording)
        assert words
        assert len(pauses) > 20
        # An error of a tenth of a second would put speech into a pause, or a pause into a short word.
        assert max(level_db(recording.audio, *pause) for pause in pauses) < -45
        assert min(level_db(recording.audio, word.start_s, word.end_s) for word in words) > -40
        assert level_db(recording.audio, 0.05, words[0].start_s - 0.05) < -60
        assert level_db(recording.audio, words[-1].end_s + 0.05, recording.duration_s) < -45


def test_noise_is_as_far_below_the_speech_as_planned(noisy: list[Recording]):
    """In a room noise is alone only before the first word; babble changes from word to word, so all pauses count."""
    for recording in noisy:
        surroundings = build.PLANS[recording.id].surroundings
        in_room = isinstance(surroundings, build.Room)
        places = [(0.0, 0.45)] if in_room else pauses_of(recording)
        alone = np.concatenate([recording.audio[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b in places])
        speech = np.mean(recording.audio.astype(np.float64) ** 2) - np.mean(alone.astype(np.float64) ** 2)
        assert surroundings is not None
        assert 10 * np.log10(speech) - power_db(alone) == pytest.approx(surroundings.snr_db, abs=2.0)


def long_sentences() -> set[str]:
    """Two or three words ("And then?") may well be said by chance."""
    spoken = {sentence for entry in TALKS for sentence in sentences_of(entry.text)}
    return {sentence for sentence in spoken if len(sentence.split()) > 3}


def test_no_sentence_of_the_babble_is_in_the_texts():
    lines = (FOLDER / "babble.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 36
    assert not long_sentences() & {sentence for line in lines for sentence in sentences_of(line)}


def test_the_folder_states_its_licence():
    assert TALKS.licence
    assert (FOLDER / "LICENSE").is_file()


def planted(sentence: str, voice: Voice) -> Utterance:
    """A synthesiser of clicks: one a word, 0.05 s of sound and 0.05 s of silence."""
    tokens = sentence.split()
    audio = np.tile(np.repeat(np.array([0.8, 0.0], np.float32), 800), len(tokens))
    return Utterance(audio, tuple(Word(t, 0.1 * n, 0.1 * n + 0.05) for n, t in enumerate(tokens)))


@pytest.mark.parametrize("surroundings", [None, build.Room(0.3, 6.0), build.Crowd(4)])
def test_build_speaks_sentence_by_sentence_with_pauses_between(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, surroundings: build.Room | build.Crowd | None
):
    monkeypatch.setattr(build, "speak", planted)
    monkeypatch.setattr(babble, "_spoken", lambda sentence, voice: hum(voice))
    monkeypatch.setattr(build, "PLANS", {"short": build.Plan(Voice("flite:rms"), surroundings)})
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "short.txt").write_text("One two three.\nFour five.\n")
    build.build(tmp_path)
    [entry] = open_dataset(tmp_path)
    recording = entry.load()
    assert entry.text == "One two three. Four five."
    assert entry.condition == ("clean" if surroundings is None else "noisy")
    assert recording.words is not None
    for word in recording.words:
        assert level_db(recording.audio, word.start_s + 0.01, word.end_s - 0.01) > -20


def hum(voice: Voice) -> np.ndarray:
    """A second of noise of a voice's own, as loud as that voice likes."""
    rng = np.random.default_rng(babble.TALKERS.index(voice))
    return rng.uniform(0.1, 1) * rng.standard_normal(SAMPLE_RATE, dtype=np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_is_added_at_its_snr(monkeypatch: pytest.MonkeyPatch, seed: int):
    monkeypatch.setattr(babble, "_spoken", lambda sentence, voice: hum(voice))
    audio = 0.1 * np.sin(np.arange(8 * SAMPLE_RATE) / 5).astype(np.float32)
    added = build.surrounded(audio, build.Crowd(5, snr_db=10.0), random.Random(seed)) - audio
    assert power_db(audio) - power_db(added) == pytest.approx(10.0, abs=0.05)
    # Never silent: five speak, and hardly ever pause together.
    assert min(power_db(piece) for piece in np.split(added, 32)) > power_db(added) - 9


def test_the_talkers_of_a_crowd_are_equally_loud(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(babble, "_spoken", lambda sentence, voice: hum(voice))
    samples = 20 * SAMPLE_RATE
    assert babble.babble(random.Random(0), samples, babble.TALKERS).shape == (samples,)
    alone = [babble.babble(random.Random(0), samples, [voice]) for voice in babble.TALKERS]
    assert [power_db(audio) for audio in alone] == pytest.approx([0.0] * len(alone), abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_a_room_adds_its_noise_at_its_snr_and_shifts_nothing(seed: int):
    audio = np.random.default_rng(seed).standard_normal(4 * SAMPLE_RATE, dtype=np.float32)
    quiet, heard = (
        build.surrounded(audio, build.Room(0.5, 3.0, snr_db), random.Random(seed)) for snr_db in (300.0, 20.0)
    )
    assert power_db(quiet) - power_db(heard - quiet) == pytest.approx(20.0, abs=0.05)
    assert build.lag(heard, audio) == 0
    assert build.lag(np.roll(heard, 7), audio) == 7
    assert build.lag(np.roll(heard, -7), audio) == -7
    assert build.surrounded(audio, None, random.Random(seed)) is audio
