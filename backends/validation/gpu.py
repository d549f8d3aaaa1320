"""Predictions for GPUs against published end-to-end figures of Whisper, class by class.

The published runs and their settings are in `anchors`, which also says what was fitted on which of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from ..gpu.gpu import Gpu
from ..registry import get_backend
from ..workload.models import DIMENSIONS
from ..workload.workload import Workload
from .anchors import ANCHORS, Anchor
from .check import Check

# predicted over published that counts as met
BAND = (0.85, 1.15)


@dataclass(frozen=True, slots=True)
class Class:
    """Runs of one kind. bar: for the median of |predicted / published - 1|. why: what may explain the misses."""

    name: str
    bar: float | None
    why: str


CLASSES = (
    Class("MLPerf", 0.08, "systems with the same eight GPUs differ by 8 %; the model has one figure for them"),
    Class("TensorRT-LLM", 0.15, "the host of the person's own machine is in every row"),
    Class("ct2", 0.25, "lengths of texts, prompts from the text before and CPU are not published"),
    Class("hf", 0.25, "long recordings: reading, cutting and merging of chunks are not priced"),
    Class("hf, secondary", None, "reported by others: batching, lengths and what was timed are not said"),
    Class("openai", 0.25, "CPU and new attempts at a higher temperature are not published"),
    Class("vllm", None, "scheduler and API server are one constant"),
    Class("whisper.cpp encoder", 0.25, "kernels borrowed from A100, as Turing has no public table"),
    Class("decode step", 0.08, "kernels borrowed from A100, as Turing has no public table"),
    Class("Open ASR", None, "launches of large models: the host's speed is not published"),
    Class("Orin", None, "whisper_trt keeps no keys and values: each step computes the whole text again, in Python"),
)


@dataclass(frozen=True, slots=True)
class Score:
    """How well the runs of a class are predicted.

    n: rows, of which `fitted` gave a constant.
    median, worst: of |predicted / published - 1|. worst_row: which row that is.
    bar, why: as of `Class`.
    """

    name: str
    n: int
    fitted: int
    median: float
    worst: float
    worst_row: str
    bar: float | None
    why: str

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the bar; None where there is none."""
        return None if self.bar is None else self.median <= self.bar


def end_to_end() -> list[Check]:
    """Return all published runs with their predictions, in the order of `ANCHORS`."""
    checks = []
    for row in ANCHORS:
        what = f"{row.cls}: {row.name}"
        check = Check(what, predict(row), row.published, row.unit, row.source, BAND, row.backend, row.fitted)
        why = next(one.why for one in CLASSES if one.name == row.cls)
        checks.append(replace(check, reason="" if check.in_band else why))
    return checks


def predict(row: Anchor) -> float:
    """Return what the model predicts for a published run, in its unit."""
    gpu = get_backend(row.backend)
    if not isinstance(gpu, Gpu):
        raise TypeError(f"{row.backend} is not a GPU")
    leave = gpu.runtime.ended == "leave" and row.mean_tokens
    # calls that leave when they end take as long as a call of mean length, on average
    tokens = round(row.mean_tokens) if leave else row.tokens
    alive = row.mean_tokens / row.tokens if row.mean_tokens and not leave else 1.0
    work = Workload(DIMENSIONS[row.model], row.batch, decode_tokens=tokens, beam=row.beam, dtype=row.dtype)
    timing = gpu.time_unequal(work, alive)
    if row.phase:
        return timing.phases[row.phase] / (tokens if row.phase == "decode" else 1) * 1e3
    batch_s = timing.seconds + row.batch * row.host_s
    if row.unit == "s":
        return row.batches * batch_s
    return row.batch * (row.audio_s if row.unit == "x" else 1) / batch_s


def scores(checks: Sequence[Check]) -> list[Score]:
    """Return how well each class of runs is predicted, of those that occur in `checks`."""
    found = []
    for cls in CLASSES:
        rows = [check for check in checks if check.name.startswith(f"{cls.name}: ")]
        if rows:
            errors = {check.name: abs(check.ratio - 1) for check in rows}
            worst = max(errors, key=errors.__getitem__)
            fitted = sum(bool(check.fitted_on) for check in rows)
            name = worst.removeprefix(f"{cls.name}: ")
            about = cls.bar, cls.why
            found.append(Score(cls.name, len(rows), fitted, median(errors.values()), errors[worst], name, *about))
    return found
