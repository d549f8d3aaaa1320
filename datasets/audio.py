"""Audio in: any file libsndfile reads, as mono float32 at 16 kHz; a file that is not whole is refused."""

import io
import math
import mmap
import os
import re
import shlex
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import requires, version
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import soundfile

from ..backends.errors import InputError
from ..backends.reading import shown

SAMPLE_RATE = 16_000  # Hz; what Whisper hears
DURATION_TOLERANCE_S = 0.1  # between a stated and a real duration: lossy codecs pad by up to two frames at each end

LONGEST_RECORDING_S = 8 * 3600.0  # 1.8 GB at 16 kHz; what unpacks to more is a bomb, or is better cut
_BLOCK_SAMPLES = 1 << 20  # decoded at a time, all channels together, so that many channels never lie in memory whole
_WHOLE_BLOCKS = 64  # up to so many are resampled at once: 25 minutes at 44.1 kHz
IN_MEMORY_S = 1800.0  # of a recording; a longer one lies in a temporary file
_RATES_HZ = (1_000, 768_000)  # outside, the header is garbage, and resampling from 1 Hz would fill the memory
_LOUDEST = 2.0**32  # float files scaled like 32-bit integers stay below; above is garbage
# A writer into a pipe cannot go back to fill in the length: FFmpeg leaves 0xFFFFFFFF, SoX about 0x7F000000.
_LENGTH_UNKNOWN = 0x7F000000
_MP3_SLACK_FRAMES = 2 * 1152  # without a length tag libsndfile's count includes the encoder's padding
_MP3_TAGS_BYTES = 16_384  # song tags may follow the audio; this much audio is about a second
_FILTER_BANK_LIMIT = 1 << 22  # taps; rates with few factors in common with 16 kHz would need gigabytes


def read_audio(path: str | os.PathLike[str], offset_s: float = 0.0, duration_s: float | None = None) -> np.ndarray:
    """Return mono float32 audio at 16 kHz, shape = (samples,): the file, or `duration_s` of it from `offset_s`.

    Channels are averaged. Nothing is clipped: a lossy or float file may exceed 1.
    Raises `InputError` for a file that is missing, empty, truncated, not audio or in a format libsndfile
    does not read, for samples that are not finite numbers, and for a segment outside the file.
    """
    with _opened(path) as file:
        start, stop = _segment(file, path, offset_s, duration_s)
        audio = _read_mono(file, path, start, stop)
        rate_hz = file.samplerate
    return _resampled(audio, rate_hz)


def audio_duration_s(path: str | os.PathLike[str]) -> float:
    """Return the length in seconds by the file's header, without decoding. Raises `InputError` as `read_audio` does."""
    with _opened(path) as file:
        return file.frames / file.samplerate


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[soundfile.SoundFile]:
    """Yield the open file, checked against what its container promises; libsndfile's errors as `InputError`."""
    name = shown(path)
    if not os.path.exists(path):
        raise InputError(f"{name}: no such file")
    if not os.path.isfile(path):
        raise InputError(f"{name}: {'a folder' if os.path.isdir(path) else 'a device or pipe'}; expected an audio file")
    try:
        # By descriptor: the content alone is judged, never the name (`.raw` would be taken as headerless).
        with open(path, "rb", buffering=0) as raw:
            _check_size(raw, name)
            with soundfile.SoundFile(raw.fileno(), closefd=False) as file:
                _check_header(file, name)
                yield file
                _check_read_to_end(file, raw, name)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from error
    except soundfile.LibsndfileError as error:
        # libmpg123 calls everything it cannot decode a missing file or a pipe.
        reason = "not decodable" if "does not exist" in error.error_string else error.error_string.strip().rstrip(".")
        raise InputError(
            f"{name}: not readable as audio ({reason}): damaged, truncated, or in a format that libsndfile "
            f"does not know (mp4, m4a, aac, webm); {_conversion(name)}"
        ) from error


def _conversion(name: str) -> str:
    target = Path(name).with_suffix(".16k.wav" if name.lower().endswith(".wav") else ".wav")
    return f"to convert: ffmpeg -i {shlex.quote(name)} -ac 1 -ar {SAMPLE_RATE} {shlex.quote(str(target))}"


def _check_size(raw: io.FileIO, name: str) -> None:
    """Refuse a file that ends before its container says so, which libsndfile reads as if it were whole."""
    size = os.fstat(raw.fileno()).st_size
    if size == 0:
        raise InputError(f"{name}: the file is empty (0 bytes)")
    magic = raw.read(4)
    if magic in (b"RIFF", b"RIFX", b"FORM"):
        order = "little" if magic == b"RIFF" else "big"
        begin, promised = _iff_samples(raw, order)
        if promised > size:
            raise InputError(f"{name}: truncated: {size} of {promised} bytes are there; copy or record it again")
        if promised and (rest := size - _iff_end(raw, order, promised)) > promised - begin:
            raise InputError(
                f"{name}: its header says {promised - begin} bytes of samples, and {rest} more that belong to nothing "
                f"follow: a wrong header; {_conversion(name)}"
            )
    elif magic == b"OggS" and not _ogg_is_whole(raw, size):
        raise InputError(f"{name}: truncated: it ends without an end-of-stream page; {_conversion(name)}")
    raw.seek(0)


_Order = Literal["little", "big"]


def _chunks(raw: io.FileIO, order: _Order, at: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, begin and length of the chunks of a RIFF (WAV) or FORM (AIFF) file from a place on, as they say."""
    for _ in range(1000):  # a real file has a few dozen chunks; do not walk gigabytes of zeros in eights
        raw.seek(at)
        header = raw.read(8)
        if len(header) < 8:
            return
        length = int.from_bytes(header[4:], order)
        yield header[:4], at + 8, length
        at += 8 + length + length % 2


def _iff_samples(raw: io.FileIO, order: _Order) -> tuple[int, int]:
    """Return where the samples begin and end by the headers; 0, 0 if they do not say."""
    for name, begin, length in _chunks(raw, order, at=12):
        if name in (b"data", b"SSND"):
            return (0, 0) if length >= _LENGTH_UNKNOWN else (begin, begin + length)
    return 0, 0


def _iff_end(raw: io.FileIO, order: _Order, samples_end: int) -> int:
    """Return where the last chunk ends that follows the samples, as far as names of chunks are found there."""
    end = samples_end + samples_end % 2
    for name, begin, length in _chunks(raw, order, at=end):
        if not all(32 <= byte < 127 for byte in name):
            break
        end = begin + length
    return end


def _ogg_is_whole(raw: io.FileIO, size: int) -> bool:
    """Return whether the last page is complete and carries the end-of-stream flag (RFC 3533, section 6)."""
    raw.seek(max(0, size - 2 * 65_307))  # a page is at most 65,307 bytes
    tail = raw.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or not page[5] & 4:
        return False
    table = page[27 : 27 + page[26]]
    return len(table) == page[26] and len(page) >= 27 + page[26] + sum(table)


def _check_header(file: soundfile.SoundFile, name: str) -> None:
    low, high = _RATES_HZ
    if not low <= file.samplerate <= high:
        raise InputError(f"{name}: sample rate {file.samplerate} Hz; expected {low} to {high} Hz")
    # For containers other than WAV and AIFF, libsndfile's log says where header and size disagree.
    short = re.search(r"(?:riff|Riff size|Data Size)\s*: (\d+) \(should be (\d+)\)", file.extra_info)
    if short and int(short[2]) < int(short[1]) < _LENGTH_UNKNOWN:
        raise InputError(f"{name}: truncated: {short[2]} of {short[1]} bytes are there; copy or record it again")
    if file.frames <= 0:
        raise InputError(f"{name}: holds no samples")


def _check_read_to_end(file: soundfile.SoundFile, raw: io.FileIO, name: str) -> None:
    """Refuse an MP3 of varying bit rate without a length tag: libsndfile guesses its length and stops."""
    if file.format == "MP3" and file.tell() >= file.frames:
        left = os.fstat(raw.fileno()).st_size - os.lseek(raw.fileno(), 0, os.SEEK_CUR)
        if left > _MP3_TAGS_BYTES:
            raise InputError(f"{name}: no length tag, {left} bytes at its end are out of reach; {_conversion(name)}")


def _segment(file: soundfile.SoundFile, path, offset_s: float, duration_s: float | None) -> tuple[int, int]:
    """Return the first frame and the frame after the last of a segment, checked against the file."""
    rate_hz = file.samplerate
    start = round(offset_s * rate_hz)
    stop = file.frames if duration_s is None else start + round(duration_s * rate_hz)
    if (length_s := (min(stop, file.frames) - start) / rate_hz) > LONGEST_RECORDING_S:
        raise InputError(
            f"{shown(path)}: {length_s / 3600:.1f} hours; expected at most {LONGEST_RECORDING_S / 3600:g} in one "
            "recording; cut it, or name parts of it by offset and duration in a manifest"
        )
    if not (0 <= start < file.frames and start < stop <= file.frames + DURATION_TOLERANCE_S * rate_hz):
        raise InputError(
            f"{shown(path)}: no segment from {offset_s:g} s to {stop / rate_hz:g} s: "
            f"the file is {file.frames / rate_hz:.3f} s long"
        )
    return start, min(stop, file.frames)


def _read_mono(file: soundfile.SoundFile, path, start: int, stop: int) -> np.ndarray:
    """Return frames start..stop with their channels averaged, shape = (frames,), at the file's own rate."""
    # Even to 0: libsndfile plays the pre-skip of some Opus files (48 kHz, FFmpeg) until a first seek, and
    # soundfile seeks after each read, so that 6.5 ms would go missing between the first two blocks.
    file.seek(start)
    audio, at = room_for(stop - start), start
    block_frames = max(1, _BLOCK_SAMPLES // file.channels)
    while at < stop:
        block = file.read(min(block_frames, stop - at), dtype="float32", always_2d=True)
        if len(block) == 0:
            break
        bad = ~(np.abs(block) < _LOUDEST)  # NaN compares false
        if bad.any():
            frame, channel = np.argwhere(bad)[0]
            raise InputError(
                f"{shown(path)}: the sample at {(at + frame) / file.samplerate:.3f} s is "
                f"{block[frame, channel]:g}; expected finite numbers"
            )
        audio[at - start : at - start + len(block)] = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        at += len(block)
    slack = _MP3_SLACK_FRAMES if file.format == "MP3" else 0
    if at < stop - slack:
        promised_s, found_s = file.frames / file.samplerate, at / file.samplerate
        raise InputError(
            f"{shown(path)}: truncated, or its header is wrong: {promised_s:.2f} s promised, "
            f"{found_s:.2f} s there; {_conversion(shown(path))}"
        )
    return audio[: at - start]


def _resampled(audio: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the same sound at 16 kHz, shape = (ceil(frames * 16000 / rate_hz),)."""
    if rate_hz == SAMPLE_RATE:
        return audio
    common = math.gcd(rate_hz, SAMPLE_RATE)
    if (rate_hz // common) * (SAMPLE_RATE // common) > _FILTER_BANK_LIMIT:
        return _resampled_by_spectrum(audio, rate_hz)
    import torch  # here, not above: it takes seconds to import, and 16 kHz audio does not need it

    bank, taken, given = _filter_bank(rate_hz), rate_hz // common, SAMPLE_RATE // common
    step = max(1, _BLOCK_SAMPLES // taken) * taken
    if len(audio) <= step * _WHOLE_BLOCKS:
        return bank(torch.from_numpy(audio)).numpy()
    resampled, margin = room_for(math.ceil(len(audio) * given / taken)), math.ceil(bank.width / taken) * taken
    for start in range(0, len(audio), step):
        begin = max(0, start - margin)
        block = bank(torch.from_numpy(audio[begin : start + step + margin])).numpy()
        place, skipped = start // taken * given, (start - begin) // taken * given
        here = min(step // taken * given, len(resampled) - place)
        resampled[place : place + here] = block[skipped : skipped + here]
    return resampled


def part_of_torchaudio(name: str) -> ModuleType:
    """Return the module `torchaudio.{name}`.

    Raises `InputError` where it does not load beside the torch that is installed.
    """
    try:
        return import_module(f"torchaudio.{name}")
    except (ImportError, OSError, RuntimeError) as error:  # a symbol not found, another CUDA
        pair = " ".join(f"'{needed}'" for needed in requires("earspan") or () if needed.startswith("torch"))
        raise InputError(
            f"torchaudio {version('torchaudio')} does not load beside torch {version('torch')} ({error}); "
            f"expected a pair built for each other; type: pip install {pair}"
        ) from error


def room_for(samples: int) -> np.ndarray:
    """Return room for mono audio, shape = (samples,), float32; of a long recording in a temporary file without a name.

    So that the system may put parts of it aside while others are heard. In memory where there is no disk for it.
    """
    if samples <= IN_MEMORY_S * SAMPLE_RATE:
        return np.empty(samples, np.float32)
    with tempfile.TemporaryFile(prefix="earspan-audio-") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, 4 * samples)  # a full disk must be met here, not while it is written
        except (AttributeError, OSError):  # not on every system, nor on every disk
            return np.empty(samples, np.float32)
        return np.asarray(np.memmap(file, np.float32, "r+", shape=(samples,)))


def put_aside(pieces: Iterable[np.ndarray]) -> None:
    """Let go of the memory that pieces of audio from temporary files take, until they are read again."""
    files: dict[int, mmap.mmap] = {}
    for piece in pieces:
        base: object = piece
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
            files[id(base)] = base
    for file in files.values():
        file.madvise(mmap.MADV_DONTNEED)


@cache
def _filter_bank(rate_hz: int):
    """Return the polyphase resampler from one rate to 16 kHz; building it can take longer than using it."""
    # The Kaiser window that torchaudio's documentation equates with librosa's "kaiser_best".
    return part_of_torchaudio("transforms").Resample(
        rate_hz,
        SAMPLE_RATE,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        beta=14.769656459379492,
    )


def _resampled_by_spectrum(audio: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the same sound at 16 kHz, its spectrum cut or zero-padded: any ratio, in memory as long as the audio."""
    frames = math.ceil(len(audio) * SAMPLE_RATE / rate_hz)
    # The input must last a whole number of output samples: it does, to within half an input sample.
    padded = max(len(audio), round(frames * rate_hz / SAMPLE_RATE))
    spectrum = np.fft.rfft(audio, padded)[: frames // 2 + 1]
    return (np.fft.irfft(spectrum, frames) * (frames / padded)).astype(np.float32)
