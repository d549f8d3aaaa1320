"""Audio files that are bombs, lie about their size, or are no files."""

import os
import struct
from pathlib import Path

import numpy as np
import soundfile

from .case import Case, heard

_MOST = 0xFFFFFFFF
SPOKEN = np.sin(np.arange(8_000) / 20).astype(np.float32) / 2


def _wav(
    size: int,
    rate_hz: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    kind: int = 1,
    data: bytes | None = None,
) -> bytes:
    """A WAV whose header says what is given, whatever `data` holds."""
    data = bytes(min(size, 64_000)) if data is None else data
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", kind, channels % 65_536, rate_hz, rate_hz * block % 2**32, block % 65_536, bits)
    riff = struct.pack("<I", min(36 + size, _MOST))
    return b"RIFF" + riff + b"WAVEfmt \x10\0\0\0" + fmt + b"data" + struct.pack("<I", min(size, _MOST)) + data


def _sparse(path: Path, head: bytes, size: int) -> None:
    path.write_bytes(head)
    os.truncate(path, size)


def _folder(folder: Path, name: str = "x.wav") -> Path:
    """The path of a recording in a folder of its own, with a transcript beside it."""
    data = folder / "data"
    data.mkdir()
    path = data / name
    path.with_suffix(".txt").write_text("one two three\n")
    return path


def _holds(content: bytes, name: str = "x.wav"):
    def plant(folder: Path) -> list[str]:
        _folder(folder, name).write_bytes(content)
        return heard(folder / "data")

    return plant


def _made(make, name: str = "x.wav"):
    def plant(folder: Path) -> list[str]:
        make(_folder(folder, name))
        return heard(folder / "data")

    return plant


def _silence(hours: float, rate_hz: int = 16_000, channels: int = 1):
    size = int(hours * 3600 * rate_hz) * 2 * channels

    def make(path: Path) -> None:
        _sparse(path, _wav(size, rate_hz, channels, data=b""), 44 + size)

    return make


def _flac_of_hours(path: Path) -> None:
    with soundfile.SoundFile(path, "w", 16_000, 1, format="FLAC", subtype="PCM_16") as file:
        block = np.zeros(1 << 22, np.int16)
        for _ in range(200):  # 14.5 hours, some MB
            file.write(block)


def _nan(path: Path) -> None:
    samples = SPOKEN.copy()
    samples[4_000] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


def _infinite(path: Path) -> None:
    soundfile.write(path, np.where(np.arange(8_000) == 7_999, np.inf, SPOKEN), 16_000, subtype="DOUBLE")


def _loud(path: Path) -> None:
    soundfile.write(path, SPOKEN * np.float32(1e30), 16_000, subtype="FLOAT")


def _whole(ending: str) -> bytes:
    import io

    held = io.BytesIO()
    kinds = {"ogg": ("OGG", "VORBIS"), "flac": ("FLAC", "PCM_16"), "mp3": ("MP3", "MPEG_LAYER_III")}
    soundfile.write(held, np.tile(SPOKEN, 8), 16_000, format=kinds[ending][0], subtype=kinds[ending][1])
    return held.getvalue()


def _cut(ending: str, share: float):
    def make(path: Path) -> None:
        content = _whole(ending)
        path.write_bytes(content[: int(len(content) * share)])

    return _made(make, f"x.{ending}")


def _flac_says_longer(path: Path) -> None:
    content = bytearray(_whole("flac"))
    content[21:26] = ((content[21] & 0xF0) | 0x0F).to_bytes(1, "big") + b"\xff\xff\xff\xff"  # 36 bits of samples
    path.write_bytes(content)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(target: str):
    return lambda path: path.symlink_to(target)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _folder_loop(folder: Path) -> list[str]:
    path = _folder(folder)
    soundfile.write(path, SPOKEN, 16_000)
    (path.parent / "again").symlink_to(".")
    return heard(path.parent)


def _names_of_control(folder: Path) -> list[str]:
    path = _folder(folder, "x\n\x1b[31mred\u202etxet.wav")
    path.write_bytes(b"no audio at all")
    return heard(path.parent)


def _unreadable_name(folder: Path) -> list[str]:
    data = folder / "data"
    data.mkdir()
    for ending, content in ((b".wav", b"junk"), (b".txt", b"one two")):
        Path(os.fsdecode(os.fsencode(data) + b"/\xff\xfe" + ending)).write_bytes(content)
    return heard(data)


def _one_good_one_bad(folder: Path) -> list[str]:
    path = _folder(folder)
    path.write_bytes(_wav(96_000, data=bytes(100)))
    soundfile.write(path.with_name("good.wav"), SPOKEN, 16_000)
    path.with_name("good.txt").write_text("four\n")
    return heard(path.parent)


def _direct(folder: Path) -> list[str]:
    return ["datasets", "/dev/zero"]


CASES = [
    Case("40 hours of silence in a sparse file of 4.6 GB", _made(_silence(40, 16_000))),
    Case("29 hours of silence whose header fits", _made(_silence(29))),
    Case("14.5 hours of silence in some MB of FLAC", _made(_flac_of_hours, "x.flac")),
    Case("a rate of 1e9 Hz", _holds(_wav(64_000, 10**9))),
    Case("a rate of 0 Hz", _holds(_wav(64_000, 0))),
    Case("a rate of 1 Hz", _holds(_wav(64_000, 1))),
    Case("a rate of 15,013 Hz, a prime", _holds(_wav(64_000, 15_013)), (0,)),
    Case("1,000 channels, 0.03 s", _holds(_wav(1_000_000, channels=1000, data=bytes(1_000_000))), (0, 2)),
    Case("1,000 channels, 60 s in a sparse file of 1.9 GB", _made(_silence(60 / 3600, 16_000, 1000)), (0, 2)),
    Case("65,535 channels", _holds(_wav(131_070, channels=65_535, data=bytes(131_070)))),
    Case("0 channels", _holds(_wav(64_000, channels=0))),
    Case("a data chunk of 100 bytes in 96,000", _holds(_wav(100, data=bytes(96_000)))),
    Case("a data chunk of 4 GB in 64 kB", _holds(_wav(0xFFFFFFF0, data=bytes(64_000))), (0, 2)),
    Case("a data chunk larger than the file", _holds(_wav(96_000, data=bytes(100)))),
    Case("an odd number of bytes of 16-bit samples", _holds(_wav(64_001, data=bytes(64_001))), (0, 2)),
    Case("32-bit floats that are NaN", _made(_nan)),
    Case("doubles that are infinite", _made(_infinite)),
    Case("floats of 1e30", _made(_loud)),
    Case("an unknown codec in a WAV", _holds(_wav(64_000, kind=0x7777))),
    Case("a header and no samples", _holds(_wav(0, data=b""))),
    Case("an empty file", _holds(b"")),
    Case("text called .wav", _holds(b"one two three " * 100)),
    Case("64 kB of zeros", _holds(bytes(64_000))),
    Case("RIFF and nothing", _holds(b"RIFF")),
    Case("chunks of length 0 without end", _holds(b"RIFF\xff\xff\xff\x7fWAVE" + b"junk\0\0\0\0" * 8_000)),
    Case("half of an Ogg file", _cut("ogg", 0.5)),
    Case("half of a FLAC file", _cut("flac", 0.5)),
    Case("a FLAC file that says it is 40 days long", _made(_flac_says_longer, "x.flac")),
    Case("30 bytes of an MP3 file", _cut("mp3", 0.02)),
    Case("HTML called .mp3", _holds(b"<!doctype html><title>404</title>" * 50, "x.mp3")),
    Case("a pipe", _made(_fifo)),
    Case("a link to /dev/zero", _made(_link("/dev/zero"))),
    Case("a link to /dev/urandom", _made(_link("/dev/urandom"))),
    Case("a link to nothing", _made(_link("gone.wav"))),
    Case("a link to a file elsewhere", _made(_link("/etc/hostname"))),
    Case("a link to itself", _made(_loop)),
    Case("a link to its own folder", _folder_loop, (0, 2)),
    Case("a name with newline, escape and bidi marks", _names_of_control),
    Case("a name that is not UTF-8", _unreadable_name),
    Case("a bad recording beside a good one", _one_good_one_bad, (1,)),
    Case("/dev/zero as a dataset", _direct),
]
