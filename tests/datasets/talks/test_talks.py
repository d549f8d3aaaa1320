"""The bundled recordings: two halves, small enough, words where their times say, and a card that counts right."""

import itertools
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.datasets import SAMPLE_RATE, Entry, Recording, Word, open_dataset
from earspan.datasets.talks import babble, build
from earspan.datasets.talks.kokoro import Utterance

TALKS = open_dataset("talks")
FOLDER = TALKS.path.parent
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")


def loaded(*names: str) -> list[Recording]:
    return [entry.load() for entry in TALKS if entry.id in names]


@pytest.fixture(scope="module")
def clean() -> list[Recording]:
    """An American and a British voice of each sex: decoding all takes long."""
    return loaded("the-storm", "the-missing-princess", "a-soup-for-winter", "the-museum-of-mistakes")


@pytest.fixture(scope="module")
def noisy() -> list[Recording]:
    """The loudest and the softest noise of each kind."""
    return loaded("news-at-nine", "a-sailors-tale", "extra-time", "the-beekeeper-of-the-ninth-floor")


def power_db(audio: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(audio.astype(np.float64) ** 2) + 1e-12))


def level_db(audio: np.ndarray, start_s: float, end_s: float) -> float:
    return power_db(audio[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)])


def pauses_of(recording: Recording) -> list[tuple[float, float]]:
    """Start and end of the pauses between lines, a tenth of a second from the words around them."""
    return [
        (earlier.end_s + 0.1, later.start_s - 0.1)
        for earlier, later in itertools.pairwise(recording.words or ())
        if later.start_s - earlier.end_s > 0.28 and earlier.text[-1] in ".?!"
    ]


def test_sixteen_recordings_of_half_an_hour_or_more():
    assert len(TALKS) == 16
    assert TALKS.audio_s >= 30 * 60
    assert all(100 <= entry.duration_s <= 180 for entry in TALKS)  # opening has compared them with the files
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 12e6


def test_every_recording_has_a_voice_of_its_own_and_halves_have_both_accents_and_sexes():
    """A voice's name says both: a or b for American or British, f or m."""
    assert len({entry.speaker for entry in TALKS}) == len(TALKS)
    for half in ("clean", "noisy"):
        kinds = {entry.speaker[:3] for entry in TALKS if entry.condition == half and entry.speaker}
        assert kinds == {"af_", "am_", "bf_", "bm_"}
    assert not {plan.voice for plan in build.PLANS.values()} & set(babble.TALKERS)


def test_the_noisy_half_is_a_design_of_noises_and_levels():
    rooms = [plan.room for plan in build.PLANS.values() if plan.room]
    levels = sorted(room.snr_db for room in rooms)
    assert levels == sorted([5.0, 7.5, 10.0, 12.5] * 2)
    assert sorted(room.snr_db for room in rooms if room.noise == "babble") == levels[::2]
    assert all(0.3 <= room.rt60_s <= 0.8 and (room.talkers > 0) == (room.noise == "babble") for room in rooms)


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
    assert [row["id"] for row in rows] == list(build.PLANS)
    for row in rows:
        done = build.describe(build.PLANS[row["id"]].room)
        assert {key: row.get(key) for key in done} == done
        assert row.keys() - done.keys() == {"audio_filepath", "duration", "text", "id", "speaker", "words"}


def test_texts_are_those_that_were_written():
    texts = {path.stem: path.read_text(encoding="utf-8").split() for path in (FOLDER / "texts").glob("*.txt")}
    assert {entry.id: entry.text.split() for entry in TALKS} == texts
    for entry in TALKS:
        assert entry.words is not None
        assert [word.text for word in entry.words] == entry.text.split()
        assert entry.speaker == build.PLANS[entry.id].voice
        assert re.fullmatch(r"[A-Za-z' ,.?!]+", entry.text)  # numbers are written as they are said


def test_words_follow_each_other_inside_the_recording():
    for entry in TALKS:
        assert entry.words
        times = [time_s for word in entry.words for time_s in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert all(word.end_s - word.start_s >= 0.02 for word in entry.words)
        assert 0.4 < times[0] < 0.7
        assert times[-1] < entry.duration_s - 0.4


def test_nothing_clips(clean: list[Recording], noisy: list[Recording]):
    for recording in (*clean, *noisy):
        assert np.abs(recording.audio).max() == pytest.approx(build.PEAK, rel=0.2)


def test_clean_words_sound_and_pauses_do_not(clean: list[Recording]):
    for recording in clean:
        words, pauses = recording.words, pauses_of(recording)
        assert words
        assert len(pauses) > 10
        loud_db = power_db(recording.audio)
        assert max(level_db(recording.audio, *pause) for pause in pauses) < loud_db - 25
        assert min(level_db(recording.audio, word.start_s, word.end_s) for word in words) > loud_db - 25
        assert level_db(recording.audio, 0.05, words[0].start_s - 0.1) < loud_db - 40
        assert level_db(recording.audio, words[-1].end_s + 0.2, recording.duration_s) < loud_db - 40


def test_noise_is_as_far_below_the_speech_as_planned(noisy: list[Recording]):
    """It is alone before the first word and after the last one's echo."""
    for recording in noisy:
        room = build.PLANS[recording.id].room
        assert room is not None
        alone = recording.audio[: round(0.45 * SAMPLE_RATE)]
        speech = np.mean(recording.audio.astype(np.float64) ** 2) - np.mean(alone.astype(np.float64) ** 2)
        # Half a second of babble may be one of its louder or softer ones.
        assert 10 * np.log10(speech) - power_db(alone) == pytest.approx(room.snr_db, abs=5 if room.talkers else 2)


def sentences_of(text: str) -> set[str]:
    """Of four words and more, without case and punctuation."""
    found = (" ".join(re.findall(r"[a-z']+", sentence.lower())) for sentence in re.split(r"[.?!]\s*", text))
    return {sentence for sentence in found if len(sentence.split()) > 3}


def test_no_sentence_of_the_babble_is_in_the_texts():
    lines = (FOLDER / "babble.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 20
    assert not {s for entry in TALKS for s in sentences_of(entry.text)} & {
        s for line in lines for s in sentences_of(line)
    }


def test_the_folder_states_its_licence():
    assert TALKS.licence
    assert (FOLDER / "LICENSE").is_file()


def test_the_card_lists_the_recordings():
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in CARD.splitlines() if line[:1] == "|"]
    listed = {row[0]: row[1:6] for row in rows if row[0] in {entry.id for entry in TALKS}}
    assert listed == {entry.id: card_cells(entry) for entry in TALKS}


def card_cells(entry: Entry) -> list[str]:
    room = build.PLANS[entry.id].room
    noise = "none"
    if room:
        talkers = f" of {room.talkers}" if room.talkers else ""
        noise = f"{room.noise}{talkers}, {room.snr_db:g} dB; {room.rt60_s:g} s, {room.direct_to_reverberant_db:g} dB"
    half = str(entry.condition)
    return [half, str(entry.speaker), f"{entry.duration_s:.0f}", str(len(entry.text.split())), noise]


def test_the_card_counts_right():
    words = [word for entry in TALKS for word in re.findall(r"[a-z']+", entry.text.lower())]
    assert f"| 16, of {min(e.duration_s for e in TALKS):.0f} to {max(e.duration_s for e in TALKS):.0f} s; " in CARD
    assert f"{TALKS.audio_s / 60:.1f} minutes; {len(words):,} words |" in CARD
    assert f"| distinct words | {len(set(words)):,} |" in CARD


# ---- the recipe ----------------------------------------------------------------------------------------------


def planted(text: str, voice: str) -> Utterance:
    """A synthesiser of clicks: one a word, 0.05 s of sound and 0.05 s of silence. Talkers hum."""
    if voice in babble.TALKERS:
        rng = np.random.default_rng(babble.TALKERS.index(voice))
        return Utterance(rng.uniform(0.1, 1) * rng.standard_normal(SAMPLE_RATE, dtype=np.float32), ())
    tokens = text.split()
    audio = np.tile(np.repeat(np.array([0.8, 0.0], np.float32), 800), len(tokens))
    return Utterance(audio, tuple(Word(t, 0.1 * n, 0.1 * n + 0.05) for n, t in enumerate(tokens)))


@pytest.mark.parametrize(
    "room", [None, build.Room("fan", 20.0, 0.3, 6.0), build.Room("babble", 20.0, 0.3, 6.0, talkers=4)]
)
def test_build_speaks_line_by_line_with_pauses_between(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, room: build.Room | None
):
    monkeypatch.setattr(build, "PLANS", {"short": build.Plan("af_heart", room)})
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "short.txt").write_text("One two three.\nFour five.\n")
    build.build(planted, tmp_path)
    [entry] = open_dataset(tmp_path)
    recording = entry.load()
    assert entry.text == "One two three. Four five."
    assert entry.condition == ("clean" if room is None else "noisy")
    assert recording.words is not None
    for word in recording.words:
        assert level_db(recording.audio, word.start_s + 0.01, word.end_s - 0.01) > -20
    assert 0.3 <= recording.words[3].start_s - recording.words[2].end_s <= 0.8


@pytest.mark.parametrize("noise", ["fan", "street", "babble"])
@pytest.mark.parametrize("seed", range(2))
def test_noise_is_added_at_its_snr_and_shifts_nothing(noise: str, seed: int):
    audio = np.random.default_rng(seed).standard_normal(8 * SAMPLE_RATE, dtype=np.float32)
    talkers = 5 if noise == "babble" else 0
    rooms = [build.Room(noise, snr_db, 0.5, 3.0, talkers) for snr_db in (300.0, 10.0)]
    quiet, heard = (build.add_surroundings(audio, room, planted, random.Random(seed)) for room in rooms)
    assert power_db(quiet) - power_db(heard - quiet) == pytest.approx(10.0, abs=0.05)
    assert build.lag(heard, audio) == 0
    assert build.lag(np.roll(heard, 7), audio) == 7
    assert build.lag(np.roll(heard, -7), audio) == -7
    assert build.add_surroundings(audio, None, planted, random.Random(seed)) is audio


def test_the_talkers_of_a_crowd_are_equally_loud():
    samples = 20 * SAMPLE_RATE
    assert babble.babble(planted, random.Random(0), samples, babble.TALKERS).shape == (samples,)
    alone = [babble.babble(planted, random.Random(0), samples, [voice]) for voice in babble.TALKERS]
    assert [power_db(audio) for audio in alone] == pytest.approx([0.0] * len(alone), abs=0.01)
