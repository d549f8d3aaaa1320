"""Manifests and the other lists of recordings: deep, huge, damaged, or naming what is not theirs to name."""

import gzip
import json
import os
from pathlib import Path

import soundfile

from .audio import SPOKEN
from .case import Case

GOOD = {"audio_filepath": "x.wav", "duration": 0.5, "text": "one two three", "id": "x"}


def _data(folder: Path) -> Path:
    data = folder / "data"
    data.mkdir()
    soundfile.write(data / "x.wav", SPOKEN, 16_000)
    return data


def _manifest(content: bytes, name: str = "manifest.jsonl"):
    def plant(folder: Path) -> list[str]:
        data = _data(folder)
        (data / name).write_bytes(content)
        return ["datasets", str(data / name)]

    return plant


def _line(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}).encode() + b"\n"


def _outside(folder: Path) -> list[str]:
    data = _data(folder)
    soundfile.write(folder / "secret.wav", SPOKEN, 16_000)
    (data / "manifest.jsonl").write_bytes(_line(audio_filepath="../secret.wav"))
    return ["datasets", str(data)]


def _by_link(folder: Path) -> list[str]:
    data = _data(folder)
    soundfile.write(folder / "secret.wav", SPOKEN, 16_000)
    (data / "inner.wav").symlink_to("../secret.wav")
    (data / "manifest.jsonl").write_bytes(_line(audio_filepath="inner.wav"))
    return ["datasets", str(data)]


def _fifo(folder: Path) -> list[str]:
    os.mkfifo(folder / "m.jsonl")
    return ["datasets", str(folder / "m.jsonl")]


def _device(folder: Path) -> list[str]:
    (folder / "m.jsonl").symlink_to("/dev/zero")
    return ["datasets", str(folder / "m.jsonl")]


def _sparse(folder: Path) -> list[str]:
    path = folder / "m.jsonl"
    path.write_bytes(b"")
    os.truncate(path, 3 << 30)
    return ["datasets", str(path)]


def _gzip_bomb(folder: Path) -> list[str]:
    with gzip.open(folder / "cuts.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(2_000):
            file.write(bytes(1 << 20))
    return ["datasets", str(folder / "cuts.jsonl.gz")]


def _gzip_of_one_line(folder: Path) -> list[str]:
    with gzip.open(folder / "cuts.jsonl.gz", "wb", compresslevel=1) as file:
        file.write(b'{"supervisions": [], "id": "')
        for _ in range(1_000):
            file.write(b"a" * (1 << 20))
    return ["datasets", str(folder / "cuts.jsonl.gz")]


def _table(name: str, content: bytes):
    def plant(folder: Path) -> list[str]:
        data = _data(folder)
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
        return ["datasets", str(data)]

    return plant


def _kaldi(**files: bytes):
    def plant(folder: Path) -> list[str]:
        data = _data(folder)
        for name, content in {"wav.scp": b"x x.wav\n", "text": b"x one two\n", **files}.items():
            (data / name.replace("_", ".")).write_bytes(content)
        return ["datasets", f"kaldi:{data}"]

    return plant


def _transcript(content: bytes):
    def plant(folder: Path) -> list[str]:
        data = _data(folder)
        (data / "x.txt").write_bytes(content)
        return ["datasets", str(data)]

    return plant


def _huge_transcript(folder: Path) -> list[str]:
    data = _data(folder)
    os.truncate(os.open(data / "x.txt", os.O_CREAT | os.O_WRONLY), 3 << 30)
    return ["datasets", str(data)]


def _names_a_device(folder: Path) -> list[str]:
    data = _data(folder)
    (data / "manifest.jsonl").write_bytes(_line(audio_filepath="/dev/zero"))
    return ["datasets", str(data)]


def _many_files(folder: Path) -> list[str]:
    data = folder / "data"
    deep = data
    for _ in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    return ["datasets", str(data)]


def _escapes(folder: Path) -> list[str]:
    data = _data(folder)
    trick = "\x1b[2J\u202eid\x07"
    (data / "manifest.jsonl").write_bytes(_line(id=trick, speaker=trick, condition=trick, license=trick, text=trick))
    return ["datasets", str(data)]


LISTED = (1, 2)
CASES = [
    Case("an empty manifest", _manifest(b"")),
    Case("3,000 nested arrays", _manifest(b"[" * 3000 + b"]" * 3000 + b"\n")),
    Case("1,000,000 nested arrays", _manifest(b"[" * 1_000_000)),
    Case("a field nested 100,000 deep", _manifest(_line()[:-2] + b', "more": ' + b"[" * 10**5 + b"]" * 10**5 + b"}\n"), (0, 1, 2)),
    Case("an integer of 100,000 digits", _manifest(_line()[:-2] + b', "duration": ' + b"9" * 10**5 + b"}\n")),
    Case("a line of 64 MB", _manifest(_line(text="word " * 13_000_000)), (0, 1, 2)),
    Case("JSON that is a list", _manifest(b"[1, 2]\n")),
    Case("JSON that is a number", _manifest(b"7\n")),
    Case("JSON cut in the middle", _manifest(_line()[:40])),
    Case("a duration of NaN", _manifest(_line()[:-2] + b', "duration": NaN}\n')),
    Case("a duration of Infinity", _manifest(_line()[:-2] + b', "duration": Infinity}\n')),
    Case("a duration of -1", _manifest(_line(duration=-1))),
    Case("a duration of 1e300", _manifest(_line(duration=1e300))),
    Case("a duration as a text", _manifest(_line(duration="0.5"))),
    Case("a duration of true", _manifest(_line(duration=True))),
    Case("an offset past the end", _manifest(_line(offset=100))),
    Case("a text that is null", _manifest(_line(text=None))),
    Case("a text that is a list", _manifest(_line(text=["one"]))),
    Case("half of a surrogate pair", _manifest(b'{"audio_filepath": "x.wav", "duration": 0.5, "text": "\\ud800"}\n')),
    Case("words out of order", _manifest(_line(words=[{"word": "a", "start": 0.4, "end": 0.5}, {"word": "b", "start": 0.1, "end": 0.2}]))),
    Case("words that are numbers", _manifest(_line(words=[1, 2]))),
    Case("words after the end", _manifest(_line(words=[{"word": "a", "start": 7, "end": 8}]))),
    Case("a duplicate id", _manifest(_line() + _line()), (1,)),
    Case("a path out of the folder", _outside),
    Case("a link out of the folder", _by_link),
    Case("a path to a device", _names_a_device),
    Case("a path with a NUL", _manifest(_line(audio_filepath="x\0.wav"))),
    Case("a path of 100,000 characters", _manifest(_line(audio_filepath="x" * 100_000))),
    Case("UTF-16", _manifest(_line().decode().encode("utf-16"))),
    Case("Latin-1", _manifest(_line(text="caf").replace(b"caf", b"caf\xe9"))),
    Case("NULs", _manifest(bytes(100_000))),
    Case("escape sequences and bidi marks", _escapes, (0,)),
    Case("a pipe as a manifest", _fifo),
    Case("/dev/zero as a manifest", _device),
    Case("3 GB of nothing as a manifest", _sparse),
    Case("2 GB of NULs in 9 MB of gzip", _gzip_bomb),
    Case("1 GB in one line of gzip", _gzip_of_one_line),
    Case("gzip that is none", _manifest(b"no gzip", "cuts.jsonl.gz")),
    Case("gzip cut in the middle", _manifest(gzip.compress(b'{"supervisions": []}\n' * 1000)[:60], "cuts.jsonl.gz")),
    Case("a cut without a recording", _manifest(b'{"supervisions": []}\n', "cuts.jsonl")),
    Case("a cut whose audio is a command", _manifest(json.dumps({"id": "x", "start": 0, "duration": 0.5, "supervisions": [{"start": 0, "text": "a"}], "recording": {"id": "x", "sources": [{"type": "command", "source": "touch /tmp/earspan-was-here; cat x.wav"}]}}).encode() + b"\n", "cuts.jsonl")),
    Case("a cut whose fields are lists", _manifest(b'{"supervisions": [[1]], "recording": [], "id": []}\n', "cuts.jsonl")),
    Case("metadata.csv with a quote left open", _table("metadata.csv", b'file_name,text\nx.wav,"one\ntwo\n' + b"three\n" * 100_000)),
    Case("metadata.csv with a field of 1 MB", _table("metadata.csv", b"file_name,text\nx.wav," + b"a" * 2**20 + b"\n")),
    Case("metadata.csv out of the folder", _table("metadata.csv", b"file_name,text\n../../etc/hostname,one\n")),
    Case("metadata.csv with one column", _table("metadata.csv", b"file_name\nx.wav\n")),
    Case("metadata.jsonl of numbers", _table("metadata.jsonl", b"1\n2\n")),
    Case("an STM of one word", _table("stm/x.stm", b"x\n")),
    Case("an STM whose times are words", _table("stm/x.stm", b"x 1 a zero one <o,f0,male> words\n")),
    Case("an STM that names a path", _table("stm/x.stm", b"../../../etc/passwd 1 a 0 1 <o,f0,male> words\n")),
    Case("wav.scp with a command", _kaldi(wav_scp=b"x touch /tmp/earspan-was-here; cat x.wav |\n")),
    Case("wav.scp out of the folder", _kaldi(wav_scp=b"x ../../../../etc/hostname\n")),
    Case("segments that end before they begin", _kaldi(segments=b"x x 3 1\n")),
    Case("segments of one field", _kaldi(segments=b"x\n"), LISTED),
    Case("a transcript that is not UTF-8", _transcript(b"\xff\xfeo\0n\0e\0")),
    Case("a transcript of NULs", _transcript(bytes(1000)), (0, 1, 2)),
    Case("a transcript of 3 GB", _huge_transcript),
    Case("300 folders in each other", _many_files),
    Case("an empty path", lambda folder: ["datasets", ""]),
    Case("the root of the file system as Kaldi's", lambda folder: ["datasets", "kaldi:/"]),
]  # fmt: skip
