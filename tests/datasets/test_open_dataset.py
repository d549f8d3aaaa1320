"""One door for names, manifests, folders and files; the bundled talks; real recordings where at hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.datasets import Entry, dataset_names, open_dataset, read_audio
from earspan.datasets.audio import SAMPLE_RATE, audio_duration_s

SPEECH = Path(__file__).parents[3] / "shared" / "data" / "speech"
needs_speech = pytest.mark.skipif(not SPEECH.is_dir(), reason=f"no example recordings in {SPEECH}")
needs_talks = pytest.mark.skipif(
    not (Path(__file__).parents[2] / "datasets" / "talks" / "manifest.jsonl").is_file(),
    reason="talks are not built",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    (tmp_path / "a.txt").write_text("from the text file")
    return tmp_path


def test_a_manifest_wins_over_the_pairs_of_its_folder(folder: Path):
    (entry,) = open_dataset(folder)
    assert entry.text == "from the text file"
    (entry,) = open_dataset(folder / "a.wav")
    assert entry.text == "from the text file"
    row = {"audio_filepath": "a.wav", "duration": 1.0, "text": "from the manifest"}
    (folder / "manifest.jsonl").write_text(json.dumps(row))
    for path in (folder, str(folder), folder / "manifest.jsonl"):
        (entry,) = open_dataset(path)
        assert entry.text == "from the manifest"


def test_unknown_names_and_missing_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^unknown dataset 'tolks'; did you mean 'talks'"):
        open_dataset("tolks")
    with pytest.raises(InputError, match=r"^unknown dataset ''"):
        open_dataset("")
    with pytest.raises(InputError, match=r"^no/such: no such file or folder; .*talks"):
        open_dataset("no/such")
    with pytest.raises(InputError, match=r"^talks-: no such file or folder; "):
        open_dataset("talks-/")
    with pytest.raises(InputError, match=r"^no\.wav: no such file or folder"):
        open_dataset("no.wav")
    with pytest.raises(InputError, match=r"^no\.jsonl: no such file"):
        open_dataset("no.jsonl")


@needs_talks
def test_talks_have_word_times_that_fit_text_and_audio():
    assert "talks" in dataset_names()
    dataset = open_dataset("talks")
    assert dataset.name == "talks"
    for entry in dataset:
        assert entry.words is not None
        assert " ".join(word.text for word in entry.words) == entry.text
        assert entry.duration_s == pytest.approx(audio_duration_s(entry.audio_path), abs=0.01)
    recording = dataset.entries[0].load()
    assert recording.duration_s == pytest.approx(dataset.entries[0].duration_s, abs=0.01)
    assert recording.words is not None
    # Planted by the synthesis: there is sound where the words are.
    spoken = [recording.audio[int(w.start_s * SAMPLE_RATE) : int(w.end_s * SAMPLE_RATE)] for w in recording.words]
    assert np.mean([np.std(part) > 1e-3 for part in spoken]) > 0.98


@needs_speech
def test_real_recordings_are_as_long_as_their_manifest_says():
    dataset = open_dataset(SPEECH / "manifest.jsonl")
    assert len(dataset) == 36
    assert dataset.audio_s == pytest.approx(640, abs=1)
    for entry in dataset:
        recording = entry.load()
        assert recording.duration_s == pytest.approx(entry.duration_s, abs=0.01)
        assert 0.01 < np.abs(recording.audio).max() <= 1


@needs_speech
def test_real_formats_decode_or_say_how_to_convert():
    unreadable = {".mp4", ".aac", ".webm"}
    refused = set[str]()
    for entry in open_dataset(SPEECH / "formats.jsonl"):
        if entry.audio_path.suffix in unreadable:
            with pytest.raises(InputError, match=r"formats\.jsonl:\d+: recording .*ffmpeg -i .* -ac 1 -ar 16000 "):
                entry.load()
            refused.add(entry.audio_path.suffix)
        else:
            assert entry.load().duration_s == pytest.approx(entry.duration_s, abs=0.02)
    assert refused == unreadable


@needs_speech
@pytest.mark.parametrize(
    ("name", "reference", "least"),
    [
        ("jfk-44100-stereo-24bit.flac", "jfk.flac", 0.999),
        ("jfk.mp3", "jfk.flac", 0.97),
        ("2033-164915-0001.opus", "2033-164915-0001.flac", 0.95),
    ],
)
def test_the_same_speech_in_another_format_sounds_the_same(name: str, reference: str, least: float):
    """Correlation at the best alignment within 50 ms: codecs delay, but keep wave form and level."""
    heard = read_audio(SPEECH / "audio" / "formats" / name)
    expected = read_audio(SPEECH / "audio" / reference)
    size = min(len(heard), len(expected))
    heard, expected = heard[:size], expected[:size]
    spectrum = np.fft.rfft(heard, 2 * size) * np.conj(np.fft.rfft(expected, 2 * size))
    correlation = np.fft.irfft(spectrum) / (np.linalg.norm(heard) * np.linalg.norm(expected))
    shifts = np.r_[0:800, -800:0]
    assert correlation[shifts].max() > least
    assert np.std(heard) == pytest.approx(np.std(expected), rel=0.05)


@needs_speech
def test_a_segment_is_the_same_sound_as_the_sentence_alone():
    """LJ001-0002 is also a file; lj001.segments.jsonl says where it lies in the long recording."""
    lines = (SPEECH / "lj001.segments.jsonl").read_text().splitlines()
    segment = next(row for row in map(json.loads, lines) if row["id"] == "LJ001-0002")
    entry = Entry(
        id=segment["id"],
        audio_path=SPEECH / segment["audio_filepath"],
        text=segment["text"],
        words=None,
        duration_s=segment["end"] - segment["start"],
        offset_s=segment["start"],
        speaker=None,
        dataset="lj",
        origin="lj001.segments.jsonl:2",
    )
    alone = read_audio(SPEECH / "audio" / "LJ001-0002.flac")
    part = entry.load().audio
    size = min(len(alone), len(part))
    assert size == pytest.approx(len(alone), abs=16)
    similarity = max(float(np.corrcoef(part[: size - 32], alone[lag : size - 32 + lag])[0, 1]) for lag in range(0, 17))
    assert similarity > 0.99
