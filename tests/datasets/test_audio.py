"""Audio in: a sine of known frequency and level is the oracle; any broken file is refused in one line."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.datasets import audio as audio_module
from earspan.datasets.audio import SAMPLE_RATE, _filter_bank, audio_duration_s, put_aside, read_audio, room_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LEVEL = 0.25


def sine(rate_hz: int, frequency_hz: float, duration_s: float = 1.0) -> np.ndarray:
    return LEVEL * np.sin(2 * np.pi * frequency_hz * np.arange(round(rate_hz * duration_s)) / rate_hz)


def fitted_level(audio: np.ndarray, frequency_hz: float) -> tuple[float, float]:
    """Amplitude of the sine in the middle of the audio by least squares, and the RMS of the rest."""
    t = np.arange(len(audio)) / SAMPLE_RATE
    middle = (t > 0.1) & (t < t[-1] - 0.1)
    phase = 2 * np.pi * frequency_hz * t[middle]
    basis = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, audio[middle], rcond=None)
    return float(np.hypot(*weights)), float(np.std(audio[middle] - basis @ weights))


def refusal(path: Path, *segment: float) -> str:
    """The message for a file that cannot be read; one line that names the file."""
    with pytest.raises(InputError) as caught:
        read_audio(path, *segment)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def heard_or_refused(path: Path) -> None:
    try:
        audio = read_audio(path)
    except InputError as error:
        message = str(error)
    else:
        assert audio.ndim == 1
        assert np.isfinite(audio).all()
        return
    assert path.name in message
    assert "\n" not in message


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 11_127, 16_000, 22_050, 24_000, 44_100, 44_101, 48_000, 96_000])
@pytest.mark.parametrize("frequency_hz", [317.3, 3_300.0])
def test_resampling_keeps_frequency_and_level(tmp_path: Path, rate_hz: int, frequency_hz: float):
    soundfile.write(tmp_path / "a.wav", sine(rate_hz, frequency_hz), rate_hz, subtype="FLOAT")
    audio = read_audio(tmp_path / "a.wav")
    assert audio.dtype == np.float32
    assert audio.shape == (SAMPLE_RATE,)
    level, rest = fitted_level(audio, frequency_hz)
    assert level == pytest.approx(LEVEL, rel=1e-3)
    assert rest < LEVEL * 1e-3


@pytest.mark.parametrize("rate_hz", [44_100, 44_101])
def test_resampling_removes_what_16_khz_cannot_hold(tmp_path: Path, rate_hz: int):
    soundfile.write(tmp_path / "a.wav", sine(rate_hz, 9_000), rate_hz, subtype="FLOAT")
    audio = read_audio(tmp_path / "a.wav")
    assert np.abs(audio[1600:-1600]).max() < LEVEL * 1e-3


@pytest.mark.parametrize(
    ("suffix", "options", "noise"),
    [
        ("wav", {"subtype": "PCM_U8"}, 6e-3),
        ("wav", {"subtype": "PCM_16"}, 3e-5),
        ("wav", {"subtype": "PCM_24"}, 1e-6),
        ("wav", {"subtype": "PCM_32"}, 1e-6),
        ("wav", {"subtype": "DOUBLE"}, 1e-6),
        ("wav", {"subtype": "ULAW"}, 1e-2),
        ("flac", {}, 3e-5),
        ("aiff", {}, 3e-5),
        ("au", {}, 3e-5),
        ("caf", {}, 3e-5),
        ("w64", {}, 3e-5),
        ("ogg", {"subtype": "VORBIS"}, 2e-2),
        ("ogg", {"subtype": "OPUS"}, 2e-2),
        ("mp3", {}, 2e-2),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_containers_and_sample_formats(tmp_path: Path, suffix: str, options: dict, noise: float, channels: int):
    path = tmp_path / f"a.{suffix}"
    tone = sine(16_000, 440)
    soundfile.write(path, np.stack([tone] * channels, axis=1), 16_000, **options)
    audio = read_audio(path)
    assert len(audio) == pytest.approx(16_000, abs=0.1 * 16_000)
    level, rest = fitted_level(audio, 440)
    assert level == pytest.approx(LEVEL, rel=0.02)
    assert rest < noise
    assert audio_duration_s(path) == pytest.approx(len(audio) / SAMPLE_RATE, abs=1e-3)


def test_channels_are_averaged(tmp_path: Path):
    hum, tone = sine(16_000, 440), sine(16_000, 1_000)
    channels = [hum, tone, -hum, hum / 2, -hum / 2, tone]
    soundfile.write(tmp_path / "a.wav", np.stack(channels, axis=1), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), tone / 3, atol=1e-7)


def test_nothing_is_clipped(tmp_path: Path):
    loud = 12 * sine(16_000, 440)  # peaks at 3
    soundfile.write(tmp_path / "a.wav", loud, 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), loud, rtol=1e-6, atol=1e-6)


def test_files_longer_than_a_block_are_read_whole(tmp_path: Path):
    noise = np.random.default_rng(1).integers(-3000, 3000, 600_000, dtype=np.int16)
    soundfile.write(tmp_path / "a.flac", noise, 16_000)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac"), noise.astype(np.float32) / 32768)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize(("offset_s", "duration_s"), [(0.0, 0.5), (0.25, 0.5), (1.5, None), (1.5, 0.55)])
def test_segments(tmp_path: Path, suffix: str, offset_s: float, duration_s: float | None):
    noise = np.random.default_rng(2).integers(-3000, 3000, 32_000, dtype=np.int16)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise, 16_000)
    stop = 32_000 if duration_s is None else round((offset_s + duration_s) * 16_000)
    expected = noise[round(offset_s * 16_000) : stop].astype(np.float32) / 32768
    np.testing.assert_array_equal(read_audio(path, offset_s, duration_s), expected)


@pytest.mark.parametrize("segment", [(2.0, 0.5), (1.5, 1.0), (-0.5, 1.0), (0.5, 0.0), (0.5, -0.2)])
def test_segments_outside_the_file_are_refused(tmp_path: Path, segment: tuple[float, float]):
    soundfile.write(tmp_path / "a.wav", sine(16_000, 440, 2.0), 16_000)
    assert "the file is 2.000 s long" in refusal(tmp_path / "a.wav", *segment)


def test_missing_folder_empty_and_device(tmp_path: Path):
    assert refusal(tmp_path / "no.wav").endswith("no.wav: no such file")
    assert "a folder; expected an audio file" in refusal(tmp_path)
    (tmp_path / "zero.wav").touch()
    assert "the file is empty (0 bytes)" in refusal(tmp_path / "zero.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert "a device or pipe" in refusal(tmp_path / "pipe.wav")


def test_a_name_cannot_break_the_line(tmp_path: Path):
    with pytest.raises(InputError, match=r"a\\nb\.wav: no such file"):
        read_audio(tmp_path / "a\nb.wav")


def test_a_file_without_samples_is_refused(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16_000)
    assert "holds no samples" in refusal(tmp_path / "a.wav")


def test_formats_libsndfile_does_not_know_come_with_the_command_to_convert(tmp_path: Path):
    path = tmp_path / "my talk.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(range(256)))
    message = refusal(path)
    assert "mp4, m4a, aac, webm" in message
    assert f"ffmpeg -i '{path}' -ac 1 -ar 16000 '{tmp_path / 'my talk.wav'}'" in message


def test_text_is_not_audio_whatever_its_name(tmp_path: Path):
    for name in ("a.wav", "a.mp3", "a.raw", "a"):
        (tmp_path / name).write_text("this is a transcript, not audio\n" * 40)
        assert "not readable as audio" in refusal(tmp_path / name)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_sound_are_refused_with_their_time(tmp_path: Path, bad: float):
    audio = np.stack([sine(16_000, 440)] * 2, axis=1)
    audio[4_000, 1] = bad
    soundfile.write(tmp_path / "a.wav", audio, 16_000, subtype="FLOAT")
    message = refusal(tmp_path / "a.wav")
    assert "the sample at 0.250 s" in message
    assert f"{bad:g}" in message


def test_implausible_rates_are_refused(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 3)
    assert "sample rate 3 Hz" in refusal(tmp_path / "a.wav")


SPEECHLIKE = np.random.default_rng(3).normal(0, 0.1, 48_000)  # noise: every codec keeps its length honest


@pytest.mark.parametrize("keep", [0.95, 0.5, 0.2])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {}),
        ("f.wav", {"subtype": "FLOAT"}),
        ("x.wav", {"format": "WAVEX"}),
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.w64", {}),
        ("a.rf64", {"format": "RF64"}),
        ("a.caf", {}),
        ("a.flac", {}),
        ("v.ogg", {"subtype": "VORBIS"}),
        ("o.ogg", {"subtype": "OPUS"}),
        ("a.mp3", {}),
    ],
)
def test_truncated_files_are_refused(tmp_path: Path, name: str, options: dict, keep: float):
    path = tmp_path / name
    soundfile.write(path, SPEECHLIKE, 16_000, **options)
    whole = path.read_bytes()
    assert len(read_audio(path)) >= 48_000
    path.write_bytes(whole[: int(len(whole) * keep)])
    assert "truncated" in refusal(path)


def test_truncation_is_found_behind_long_tags(tmp_path: Path):
    """libsndfile's log, the only other source, overflows on these."""
    soundfile.write(tmp_path / "a.wav", SPEECHLIKE, 16_000)
    wav = (tmp_path / "a.wav").read_bytes()
    tags = b"INFO" + b"".join(b"ICMT" + struct.pack("<I", 100) + b"q" * 100 for _ in range(120))
    tagged = wav[:36] + b"LIST" + struct.pack("<I", len(tags)) + tags + wav[36:]
    (tmp_path / "a.wav").write_bytes(tagged)
    assert len(read_audio(tmp_path / "a.wav")) == 48_000
    (tmp_path / "a.wav").write_bytes(tagged[:-1])
    assert f"truncated: {len(tagged) - 1} of {len(tagged)} bytes" in refusal(tmp_path / "a.wav")


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_written_into_a_pipe_states_no_length_and_is_read(tmp_path: Path, length: int):
    soundfile.write(tmp_path / "a.wav", SPEECHLIKE, 16_000)
    wav = bytearray((tmp_path / "a.wav").read_bytes())
    wav[4:8] = wav[40:44] = struct.pack("<I", length)
    (tmp_path / "a.wav").write_bytes(wav)
    assert len(read_audio(tmp_path / "a.wav")) == 48_000


@pytest.mark.parametrize(("loud_first", "what"), [(True, "no length tag"), (False, "truncated, or its header")])
def test_an_mp3_of_unknown_length_is_refused(tmp_path: Path, loud_first: bool, what: str):
    """Without the tag libsndfile takes the first frame's bit rate for all: too short or too long."""
    loud = np.random.default_rng(4).normal(0, 0.2, 80_000)
    parts = [loud, loud / 1000] if loud_first else [loud * 0, loud]
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.concatenate(parts), 16_000, compression_level=0.1, bitrate_mode="VARIABLE")
    assert len(read_audio(path)) == 160_000
    content = path.read_bytes()
    tag = content.index(b"Xing")
    path.write_bytes(content[content.index(b"\xff\xf3", tag) :])  # the frame after the one that holds the tag
    assert what in refusal(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 2_000 * 2 + 43))
def test_no_cut_of_a_wav_passes(tmp_path: Path, cut: int):
    path = tmp_path / "cut.wav"
    soundfile.write(path, SPEECHLIKE[:2_000], 16_000)
    path.write_bytes(path.read_bytes()[:cut])
    refusal(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    magic=st.sampled_from(
        [b"", b"RIFF\0\0\0\0WAVE", b"FORM\0\0\0\0AIFF", b"OggS", b"fLaC", b".snd", b"ID3", b"\xff\xfb"]
    ),
    content=st.binary(max_size=400),
)
def test_random_bytes_raise_nothing_but_input_errors(tmp_path: Path, magic: bytes, content: bytes):
    path = tmp_path / "random.wav"
    path.write_bytes(magic + content)
    heard_or_refused(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(["wav", "flac", "aiff", "ogg"]),
    flips=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_headers_raise_nothing_but_input_errors(tmp_path: Path, suffix: str, flips: list[tuple[int, int]]):
    path = tmp_path / f"flipped.{suffix}"
    soundfile.write(path, SPEECHLIKE[:2_000], 16_000)
    content = bytearray(path.read_bytes())
    for at, value in flips:
        content[at] = value
    path.write_bytes(content)
    heard_or_refused(path)


def test_a_torchaudio_built_for_another_torch_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def does_not_load(name: str):
        raise OSError(f"{name}: undefined symbol: torch_new_in_2_12")

    monkeypatch.setattr("earspan.datasets.audio.import_module", does_not_load)
    _filter_bank.cache_clear()  # other tests have made filters
    soundfile.write(tmp_path / "a.wav", sine(9_600, 440), 9_600)
    with pytest.raises(InputError, match=r"torchaudio [\d.]+ does not load beside torch .*undefined symbol.*type: pip"):
        read_audio(tmp_path / "a.wav")


def test_16_khz_audio_needs_no_torchaudio(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", sine(16_000, 440), 16_000)
    code = (
        "import sys; from earspan.datasets.audio import read_audio; read_audio(sys.argv[1]); "
        "print(*(m for m in ('torch', 'torchaudio') if m in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.wav"], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100])
def test_a_long_recording_is_heard_as_a_short_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate_hz: int):
    noise = np.random.default_rng(rate_hz).uniform(-LEVEL, LEVEL, 7 * rate_hz + 123).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, rate_hz, subtype="FLOAT")
    whole = read_audio(tmp_path / "a.wav")
    for name, value in (("IN_MEMORY_S", 1.0), ("_WHOLE_BLOCKS", 1), ("_BLOCK_SAMPLES", rate_hz // 3)):
        monkeypatch.setattr(audio_module, name, value)
    found = read_audio(tmp_path / "a.wav")
    assert found.shape == whole.shape
    np.testing.assert_allclose(found, whole, atol=1e-6)
    kept = found[5000:9000]
    put_aside([found[:100], kept, whole])
    np.testing.assert_allclose(found, whole, atol=1e-6)
    kept[:] = 2.0  # what reads it may write to it, too
    assert (found[5000:9000] == 2.0).all()


def test_a_full_disk_leaves_a_long_recording_in_memory(monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int, start: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audio_module, "IN_MEMORY_S", 0.0)
    monkeypatch.setattr(audio_module.os, "posix_fallocate", full)
    room = room_for(16)
    room[:] = 1.0
    assert room.base is None
    assert room.sum() == 16
