"""The tables of one setting in detail: groups, recordings, the most frequent errors, and where they stand."""

from collections.abc import Sequence

from ....speech.metrics.align import HIT
from ...results.evaluation import WordPair
from ...results.records import Evaluation, Group
from ...results.wording import percent
from .cells import describe_errors, describe_wer
from .figures import write_csv
from .table import Table

_CONTEXT = 4  # right words shown on each side of an error


def list_groups(evaluation: Evaluation) -> Table:
    """Return the errors of all, of each dataset where there are several, and of each speaker."""
    datasets = evaluation.by_dataset if len(evaluation.by_dataset) > 1 else ()
    groups = [evaluation.total, *datasets, *evaluation.by_speaker]
    columns = ("Of", "Recordings>", "Words>", "WER>", "CER>", "S / D / I>")
    return Table("Error rates", columns, [_group(group) for group in groups])


def _group(group: Group) -> Sequence[str]:
    counts = (f"{group.recordings:,}", f"{group.errors.ref_words:,}")
    wer = describe_wer(group.wer, group.wer_ci95)
    return (group.name, *counts, wer, percent(group.cer), describe_errors(group.errors))


def list_recordings(evaluation: Evaluation) -> Table:
    """Return the errors of each recording."""
    columns = ("Recording", "Dataset", "Speaker", "Words>", "WER>", "CER>", "S / D / I>")
    rows = [
        (one.recording, one.dataset, one.speaker or "", f"{one.errors.ref_words:,}", percent(one.wer), percent(one.cer),
         describe_errors(one.errors))
        for one in evaluation.by_recording
    ]  # fmt: skip
    return Table("Every recording", columns, rows, csv=write_csv(evaluation.by_recording))


def list_common(evaluation: Evaluation) -> list[Table]:
    """Return the most frequent substitutions, insertions and deletions."""
    columns = {"substitutions": ("Said", "Heard"), "insertions": ("Heard",), "deletions": ("Said",)}
    return [
        Table(kind.capitalize(), (*names, "Times>"), [[str(cell) for cell in line] for line in evaluation.common[kind]])
        for kind, names in columns.items()
        if evaluation.common.get(kind)
    ]


def find_excerpts(pairs: Sequence[WordPair]) -> list[list[WordPair]]:
    """Return the stretches around errors, with some right words on each side; stretches that meet are one."""
    wrong = [at for at, pair in enumerate(pairs) if pair.step != HIT]
    near = sorted({at for one in wrong for at in range(max(0, one - _CONTEXT), min(len(pairs), one + _CONTEXT + 1))})
    stretches: list[list[WordPair]] = []
    for before, at in zip((None, *near), near, strict=False):
        if before is None or at > before + 1:
            stretches.append([])
        stretches[-1].append(pairs[at])
    return stretches
