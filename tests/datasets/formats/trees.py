"""Tiny datasets of each format, in its real shape."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile


def put_audio(path: Path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {".sph": "NIST", ".mp3": "MP3"}
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, round(16_000 * seconds))
    soundfile.write(path, noise, 16_000, format=kinds.get(path.suffix))


def librispeech(root: Path) -> None:
    for utterance in ("84-1-0000", "84-1-0001", "85-2-0000"):
        speaker, chapter, _ = utterance.split("-")
        put_audio(root / speaker / chapter / f"{utterance}.flac")
    (root / "84/1/84-1.trans.txt").write_text("84-1-0000 GO ON\n84-1-0001 STAY HERE\n")
    (root / "85/2/85-2.trans.txt").write_text("85-2-0000 YES\n")


def nemo(root: Path) -> None:
    lines = []
    for name, text in (("a", "GO ON"), ("b", "STAY HERE"), ("c", "YES")):
        put_audio(root / f"{name}.wav")
        lines.append(json.dumps({"audio_filepath": f"{name}.wav", "duration": 1.0, "text": text}) + "\n")
    (root / "manifest.jsonl").write_text("".join(lines))


def kaldi(root: Path) -> None:
    for name in ("a", "b", "c"):
        put_audio(root / f"{name}.wav")
    (root / "wav.scp").write_text("s1-a a.wav\ns1-b b.wav\ns2-c c.wav\n")
    (root / "text").write_text("s1-a GO ON\ns1-b STAY HERE\ns2-c YES\n")
    (root / "utt2spk").write_text("s1-a s1\ns1-b s1\ns2-c s2\n")
    (root / "utt2dur").write_text("s1-a 1.0\ns1-b 1.0\ns2-c 1.0\n")


def audiofolder(root: Path) -> None:
    for name in ("a", "b", "c"):
        put_audio(root / f"{name}.wav")
    (root / "metadata.csv").write_text('file_name,text,speaker_id\na.wav,GO ON,1\nb.wav,"STAY HERE",1\nc.wav,YES,2\n')


def stm(root: Path) -> None:
    put_audio(root / "sph/Talk_2010.sph", 10)
    put_audio(root / "sph/Other_2011.sph", 10)
    (root / "stm").mkdir()
    (root / "stm/Talk_2010.stm").write_text(
        ";; a comment\n"
        "Talk_2010 1 Talk 0.50 3.00 <o,f0,male> GO ON\n"
        "Talk_2010 1 inter_segment_gap 3.00 4.00 <o,,unknown> ignore_time_segment_in_scoring\n"
        "Talk_2010 1 Talk 4.00 6.00 <o,f0,male> STAY <unk> HERE\n"
    )
    (root / "stm/Other_2011.stm").write_text("Other_2011 1 Other 1.00 2.00 <NA> YES\n")


def earnings(root: Path) -> None:
    for call, tokens in (
        ("41", "GO|0||||UC|[]|[]\nON|0|||.|LC|[]|[]\n"),
        ("42", "YES|0|0.1|0.5|,|LC|[]|[]\n"),
        ("43", ""),
    ):
        put_audio(root / f"media/{call}.mp3", 5)
        transcript = root / f"transcripts/nlp_references/{call}.nlp"
        transcript.parent.mkdir(parents=True, exist_ok=True)
        transcript.write_text("token|speaker|ts|endTs|punctuation|case|tags|wer_tags\n" + tokens)
    (root / "earnings21-file-metadata.csv").write_text("file_id,audio_length\n41,5.0\n42,5.0\n43,5.0\n")


def lhotse(root: Path) -> None:
    lines = []
    for name, text in (("a", "GO ON"), ("b", "STAY HERE"), ("c", "YES")):
        put_audio(root / f"{name}.wav", 2)
        source = {"type": "file", "channels": [0], "source": f"{name}.wav"}
        recording = {
            "id": f"r{name}",
            "sources": [source],
            "sampling_rate": 16000,
            "num_samples": 32000,
            "duration": 2.0,
        }
        supervision = {
            "id": name,
            "recording_id": f"r{name}",
            "start": 0.0,
            "duration": 1.0,
            "channel": 0,
            "text": text,
        }
        cut = {"id": name, "start": 0.5, "duration": 1.0, "channel": 0, "recording": recording, "type": "MonoCut"}
        lines.append(json.dumps({**cut, "supervisions": [{**supervision, "speaker": f"s{name}"}]}) + "\n")
    (root / "cuts.jsonl").write_text("".join(lines))


def folder(root: Path) -> None:
    for name, text in (("a", "GO ON"), ("b", "STAY HERE"), ("c", "YES")):
        put_audio(root / f"{name}.wav")
        (root / f"{name}.txt").write_text(text)


@dataclass(frozen=True)
class Tree:
    """A tiny dataset: how to make it, its list of texts, the audio and the id of its first recording."""

    make: Callable[[Path], None]
    transcript: str
    audio: str
    first: str
    given: str = "."


TREES = {
    "librispeech": Tree(librispeech, "84/1/84-1.trans.txt", "84/1/84-1-0000.flac", "84-1-0000"),
    "nemo": Tree(nemo, "manifest.jsonl", "a.wav", "a.wav"),
    "kaldi": Tree(kaldi, "text", "a.wav", "s1-a"),
    "audiofolder": Tree(audiofolder, "metadata.csv", "a.wav", "a"),
    "stm": Tree(stm, "stm/Talk_2010.stm", "sph/Talk_2010.sph", "Talk_2010-0000050-0000300"),
    "earnings": Tree(earnings, "transcripts/nlp_references/41.nlp", "media/41.mp3", "41"),
    "lhotse": Tree(lhotse, "cuts.jsonl", "a.wav", "a", given="cuts.jsonl"),
    "folder": Tree(folder, "a.txt", "a.wav", "a"),
}
