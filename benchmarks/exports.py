"""A scored run in the formats of other tools: sclite (TRN, CTM, STM), meeteval (SegLST), SimulEval, CSV and Parquet."""

import csv
import importlib
import importlib.util
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..backends.errors import InputError, unknown
from ..speech.metrics.wer import aligned_words
from .store import Run, Track, write_whole

# sclite reads these as markup: optional words (a), alternatives {a / b}, comments ;; and the empty word @.
# Their full-width forms are other characters for it, and different words stay different.
_MARKUP = str.maketrans("(){}/;@<>*", "（）｛｝／；＠＜＞＊")


def check_exports(names: Sequence[str], benchmark: str = "evaluate") -> None:
    """Raise `InputError` for a format that is unknown, or whose package is not installed."""
    for name in names:
        if name not in EXPORTS:
            raise unknown("export", name, EXPORTS)
        if benchmark != "evaluate":
            raise InputError(f"--export {name}: only evaluations are exported; run earspan evaluate")
        if name == "parquet" and importlib.util.find_spec("pyarrow") is None:
            raise InputError("--export parquet needs pyarrow; type pip install 'earspan[parquet]'")


def export(name: str, run: Run, results: dict[str, Any], folder: Path) -> None:
    """Write the files of one format into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    EXPORTS[name](run, results, folder)


def _normalised(run: Run) -> list[tuple[Track, list[str], list[str]]]:
    """Each track with the words that were compared."""
    references = [run.references[track.recording].text for track in run.tracks]
    hypotheses = [track.text for track in run.tracks]
    found = {
        index: (reference, hypothesis)
        for index, reference, hypothesis, _ in aligned_words(references, hypotheses, run.meta["settings"]["normaliser"])
    }
    return [(track, *found[index]) for index, track in enumerate(run.tracks)]


def _ids(run: Run) -> list[tuple[str, str]]:
    """(speaker, utterance) of each track as sclite's spu_id reads them: the speaker is what precedes the first -."""
    ids = []
    for number, track in enumerate(run.tracks):
        speaker = re.sub(r"[^A-Za-z0-9]", "", run.references[track.recording].speaker or "") or "unknown"
        name = re.sub(r"[^A-Za-z0-9]+", "_", track.recording)
        ids.append((speaker, f"{speaker}-{number:06d}_{name}"))
    return ids


def _write_trn(run: Run, results: dict[str, Any], folder: Path) -> None:
    del results
    rows = list(zip(_ids(run), _normalised(run), strict=True))
    for side, name in enumerate(("ref", "hyp")):
        lines = [f"{' '.join(texts[side]).translate(_MARKUP)} ({utterance})\n" for (_, utterance), (_, *texts) in rows]
        write_whole(folder / f"{name}.trn", "".join(lines))


def _write_ctm(run: Run, results: dict[str, Any], folder: Path) -> None:
    """Words with times. Committed words carry no time of their own: they share the audio that was new to the call.

    Normalising may merge or split words, so those of a recording share its length where their number has changed.
    """
    del results
    lines: list[str] = []
    for (_, utterance), (track, _, hypothesis) in zip(_ids(run), _normalised(run), strict=True):
        times = _spread(track)
        if len(times) != len(hypothesis):
            end_s = max((call["end_s"] for call in track.calls), default=0.0)
            width = end_s / max(1, len(hypothesis))
            times = [(width * i, width) for i in range(len(hypothesis))]
        lines += [
            f"{utterance} 1 {start_s:.3f} {length_s:.3f} {word.translate(_MARKUP)}\n"
            for word, (start_s, length_s) in zip(hypothesis, times, strict=True)
        ]
    write_whole(folder / "hyp.ctm", "".join(lines))


def _spread(track: Track) -> list[tuple[float, float]]:
    """Start and length of each committed word, evenly over what its call heard for the first time."""
    times: list[tuple[float, float]] = []
    heard_s = 0.0
    for call in track.calls:
        count = len(call["committed"])
        width = max(0.0, call["end_s"] - heard_s) / max(1, count)
        times += [(heard_s + width * i, width) for i in range(count)]
        heard_s = max(heard_s, call["end_s"]) if count else heard_s
    return times


def _write_stm(run: Run, results: dict[str, Any], folder: Path) -> None:
    del results
    lines = []
    for (speaker, utterance), (track, reference, _) in zip(_ids(run), _normalised(run), strict=True):
        end_s = max((call["end_s"] for call in track.calls), default=0.0)
        words = " ".join(reference).translate(_MARKUP)
        lines.append(f"{utterance} 1 {speaker} 0.000 {end_s + 0.001:.3f} {words}\n")
    write_whole(folder / "ref.stm", "".join(lines))


def _write_seglst(run: Run, results: dict[str, Any], folder: Path) -> None:
    del results
    rows = list(zip(_ids(run), _normalised(run), strict=True))
    for side, name in enumerate(("ref", "hyp")):
        segments = [
            {
                "session_id": track.recording,
                "speaker": speaker,
                "start_time": 0.0,
                "end_time": max((call["end_s"] for call in track.calls), default=0.0),
                "words": " ".join(texts[side]),
            }
            for (speaker, _), (track, *texts) in rows
        ]
        write_whole(folder / f"{name}.seglst.json", json.dumps(segments, indent=1, ensure_ascii=False))


def _table(run: Run, results: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each recording: its figures, and both texts as they were."""
    texts = {track.recording: track.text for track in run.tracks}
    return [
        {**row, "reference": run.references[row["recording"]].text, "hypothesis": texts[row["recording"]]}
        for row in results["by_recording"]
    ]


def _write_csv(run: Run, results: dict[str, Any], folder: Path) -> None:
    rows = _table(run, results)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["recording"])
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / "recordings.csv", text.getvalue())


def _write_parquet(run: Run, results: dict[str, Any], folder: Path) -> None:
    # By name, since type checkers do not have the extra.
    pyarrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    table = pyarrow.Table.from_pylist(_table(run, results))
    scoring = {"scoring": results["scoring"], "command": results["command"]}
    parquet.write_table(table.replace_schema_metadata(scoring), folder / "recordings.parquet")


def _write_simuleval(run: Run, results: dict[str, Any], folder: Path) -> None:
    """SimulEval's instances.log: raw words with delays in milliseconds; `simuleval --score-only` reads it.

    `delays` are of audio alone. `elapsed` is when a word was shown on the exact clock, computation included;
    SimulEval's own runs put the sum of all computation there, which overstates it.
    """
    del results
    lines = []
    for number, track in enumerate(run.tracks):
        shown = track.emitted
        instance = {
            "index": number,
            "prediction": " ".join(word.text for word in shown),
            "delays": [round(1000 * word.heard_s, 3) for word in shown],
            "elapsed": [round(1000 * word.at_s, 3) for word in shown],
            "prediction_length": len(shown),
            "reference": " ".join(run.references[track.recording].text.split()),
            "source": [track.recording],
            "source_length": round(1000 * max((call["end_s"] for call in track.calls), default=0.0), 3),
        }
        lines.append(json.dumps(instance, ensure_ascii=False) + "\n")
    (folder / "simuleval").mkdir(exist_ok=True)
    write_whole(folder / "simuleval/config.yaml", "source_type: speech\ntarget_type: text\n")
    write_whole(folder / "simuleval/instances.log", "".join(lines))


EXPORTS: dict[str, Callable[[Run, dict[str, Any], Path], None]] = {
    "trn": _write_trn,
    "ctm": _write_ctm,
    "stm": _write_stm,
    "seglst": _write_seglst,
    "simuleval": _write_simuleval,
    "csv": _write_csv,
    "parquet": _write_parquet,
}
