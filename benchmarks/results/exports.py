"""A run of one setting in the formats of other tools: sclite (TRN, CTM, STM), SegLST, SimulEval, CSV and Parquet."""

import csv
import importlib
import importlib.util
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import InputError, unknown
from ...speech.metrics.wer import aligned_words
from ..experiment.records import Reference, Run, Track
from ..experiment.store import write_whole
from .records import Results

# sclite reads these as markup: optional words (a), alternatives {a / b}, comments ;; and the empty word @.
# Their full-width forms are other characters for it, and different words stay different.
_MARKUP = str.maketrans("(){}/;@<>*", "（）｛｝／；＠＜＞＊")


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording as other tools name it.

    speaker, id: as sclite's spu_id reads them: the speaker is what precedes the first hyphen of the id.
    said, heard: the words that were compared, after normalising. end_s: of the last call.
    """

    speaker: str
    id: str
    track: Track
    reference: Reference
    said: list[str]
    heard: list[str]

    @property
    def end_s(self) -> float:
        """Where the audio of the last call ends."""
        return max((call.end_s for call in self.track.calls), default=0.0)


def check_exports(names: Sequence[str], run: Run | None = None) -> None:
    """Raise `InputError` for a format that is unknown, whose package is missing, or that a run cannot be written in."""
    for name in names:
        if name not in EXPORTS:
            raise unknown("export", name, EXPORTS)
        if run is not None and len({track.setting for track in run.tracks}) != 1:
            raise InputError(f"--export {name}: only evaluations are exported; run earspan evaluate")
        if name == "parquet" and importlib.util.find_spec("pyarrow") is None:
            raise InputError("--export parquet needs pyarrow; type pip install 'earspan[parquet]'")


def export(names: Sequence[str], run: Run, results: Results, folder: Path) -> None:
    """Write a run of one setting in each of the formats `names` into `folder`. Raises `InputError`."""
    check_exports(names, run)
    found = {
        index: (said, heard)
        for index, said, heard, _ in aligned_words(*run.texts(run.tracks), results.experiment.normaliser)
    }
    references, utterances = run.by_id, []
    for number, track in enumerate(run.tracks):
        reference = references[track.recording]
        speaker = re.sub(r"[^A-Za-z0-9]", "", reference.speaker or "") or "unknown"
        name = re.sub(r"[^A-Za-z0-9]+", "_", track.recording)
        utterances.append(Utterance(speaker, f"{speaker}-{number:06d}_{name}", track, reference, *found[number]))
    for name in names:
        EXPORTS[name](utterances, results, folder)


def _write_trn(utterances: Sequence[Utterance], results: Results, folder: Path) -> None:
    del results
    for side, name in (("said", "ref"), ("heard", "hyp")):
        lines = [f"{' '.join(getattr(one, side)).translate(_MARKUP)} ({one.id})\n" for one in utterances]
        write_whole(folder / f"{name}.trn", "".join(lines))


def _write_ctm(utterances: Sequence[Utterance], results: Results, folder: Path) -> None:
    """Words with times. Committed words carry no time of their own: they share the audio that was new to the call.

    Normalising may merge or split words, so those of a recording share its length where their number has changed.
    """
    del results
    lines: list[str] = []
    for one in utterances:
        times = _spread(one.track)
        if len(times) != len(one.heard):
            width = one.end_s / max(1, len(one.heard))
            times = [(width * i, width) for i in range(len(one.heard))]
        lines += [
            f"{one.id} 1 {start_s:.3f} {length_s:.3f} {word.translate(_MARKUP)}\n"
            for word, (start_s, length_s) in zip(one.heard, times, strict=True)
        ]
    write_whole(folder / "hyp.ctm", "".join(lines))


def _spread(track: Track) -> list[tuple[float, float]]:
    """Start and length of each committed word, evenly over what its call heard for the first time."""
    times: list[tuple[float, float]] = []
    heard_s = 0.0
    for call in track.calls:
        count = len(call.committed)
        width = max(0.0, call.end_s - heard_s) / max(1, count)
        times += [(heard_s + width * i, width) for i in range(count)]
        heard_s = max(heard_s, call.end_s) if count else heard_s
    return times


def _write_stm(utterances: Sequence[Utterance], results: Results, folder: Path) -> None:
    del results
    lines = [
        f"{one.id} 1 {one.speaker} 0.000 {one.end_s + 0.001:.3f} {' '.join(one.said).translate(_MARKUP)}\n"
        for one in utterances
    ]
    write_whole(folder / "ref.stm", "".join(lines))


def _write_seglst(utterances: Sequence[Utterance], results: Results, folder: Path) -> None:
    del results
    for side, name in (("said", "ref"), ("heard", "hyp")):
        segments = [
            {
                "session_id": one.track.recording,
                "speaker": one.speaker,
                "start_time": 0.0,
                "end_time": one.end_s,
                "words": " ".join(getattr(one, side)),
            }
            for one in utterances
        ]
        write_whole(folder / f"{name}.seglst.json", json.dumps(segments, indent=1, ensure_ascii=False))


def _table(utterances: Sequence[Utterance], results: Results) -> list[dict[str, object]]:
    """A row for each recording: its figures, and both texts as they were."""
    scores = {row.recording: row for row in results.evaluation.by_recording} if results.evaluation else {}
    rows: list[dict[str, object]] = []
    for one in utterances:
        score = scores[one.reference.id]
        rows.append({
            "recording": score.recording,
            "speaker": score.speaker,
            "dataset": score.dataset,
            "wer": score.wer,
            "substitutions": score.errors.substitutions,
            "deletions": score.errors.deletions,
            "insertions": score.errors.insertions,
            "ref_words": score.errors.ref_words,
            "cer": score.cer,
            "reference": one.reference.text,
            "hypothesis": one.track.text,
        })  # fmt: skip
    return rows


def _write_csv(utterances: Sequence[Utterance], results: Results, folder: Path) -> None:
    rows = _table(utterances, results)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["recording"])
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / "recordings.csv", text.getvalue())


def _write_parquet(utterances: Sequence[Utterance], results: Results, folder: Path) -> None:
    # By name, since type checkers do not have the extra.
    pyarrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    table = pyarrow.Table.from_pylist(_table(utterances, results))
    scoring = {"scoring": results.scoring, "command": results.provenance.command}
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table.replace_schema_metadata(scoring), folder / "recordings.parquet")


def _write_simuleval(utterances: Sequence[Utterance], results: Results, folder: Path) -> None:
    """SimulEval's instances.log: raw words with delays in milliseconds; `simuleval --score-only` reads it.

    `delays` are of audio alone. `elapsed` is when a word was shown on the exact clock, computation included;
    SimulEval's own runs put the sum of all computation there, which overstates it.
    """
    del results
    lines = []
    for number, one in enumerate(utterances):
        shown = one.track.emitted
        instance = {
            "index": number,
            "prediction": " ".join(word.text for word in shown),
            "delays": [round(1000 * word.heard_s, 3) for word in shown],
            "elapsed": [round(1000 * word.at_s, 3) for word in shown],
            "prediction_length": len(shown),
            "reference": " ".join(one.reference.text.split()),
            "source": [one.track.recording],
            "source_length": round(1000 * one.end_s, 3),
        }
        lines.append(json.dumps(instance, ensure_ascii=False) + "\n")
    write_whole(folder / "simuleval/config.yaml", "source_type: speech\ntarget_type: text\n")
    write_whole(folder / "simuleval/instances.log", "".join(lines))


EXPORTS: dict[str, Callable[[Sequence[Utterance], Results, Path], None]] = {
    "trn": _write_trn,
    "ctm": _write_ctm,
    "stm": _write_stm,
    "seglst": _write_seglst,
    "simuleval": _write_simuleval,
    "csv": _write_csv,
    "parquet": _write_parquet,
}
