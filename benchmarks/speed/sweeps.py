"""How the machinery of a sweep grows: planner, store and scorer, on calls that an engine answers at once.

Experiments are of equal size, 10,000 calls over 1,000 recordings, and there are more of them: as a study grows. Each
has a window of its own, so no call is like another. Processor seconds; memory is the peak of each process.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from whisper.model import ModelDimensions, Whisper

from ...speech.asr.cache import TranscriptCache
from ...speech.asr.decoding.transcribe import Attempt, Outcome
from ...speech.asr.hypothesis import Clip, DecodeOptions
from ...speech.asr.model import Recogniser
from ...speech.asr.transcriber import Transcriber
from ..experiment.experiment import Experiment
from ..experiment.store import encode
from ..sweep.grid import Sweep
from ..sweep.local import LocalPool
from ..sweep.schedule import do_all
from ..sweep.tasks import Planner, Task
from ..sweep.worker import Answer, Order

PARROT = f"{__name__}:Parrot"
_RECORDINGS, _CALLS = 1000, 10  # of an experiment, and of a recording in it
_RECORDING_S, _LONGEST_S = 4.0, 0.444  # ten windows of 0.40 to 0.44 s
_DIMS = ModelDimensions(80, 1500, 64, 2, 1, 51_864, 64, 64, 2, 1)  # a Whisper of almost nothing


class Parrot(Transcriber):
    """Says the same few words to all audio, at once."""

    def __init__(
        self, recogniser: Recogniser, options: DecodeOptions | None = None, cache: TranscriptCache | None = None
    ) -> None:
        super().__init__(recogniser, options, cache, version="parrot 1")
        self._tokens = tuple(self._tokenizer.encode(" one two three"))

    def batch_size(self) -> int:
        return 64

    def detect_language(self, clip: Clip) -> str:
        return "en"

    def decode(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        many = len(self._tokens)
        return [Outcome(self._tokens, True, -0.1 * many, 0.0, many, many + 1) for _ in attempts]


@dataclass(frozen=True, slots=True)
class SweepSpeed:
    """What a sweep of so many calls took beside its inference.

    recordings: in the dataset.
    plan_s, hear_s, write_s: processor seconds to plan, to key and store transcripts, and to play and score runs.
    plan_bytes, hear_bytes, write_bytes: the peak of the process that did it, libraries included.
    stored_bytes, runs_bytes: on disk.
    tasks: that the calls were cut into.
    """

    calls: int
    experiments: int
    recordings: int
    tasks: int
    plan_s: float
    hear_s: float
    write_s: float
    plan_bytes: int
    hear_bytes: int
    write_bytes: int
    stored_bytes: int
    runs_bytes: int

    @property
    def us_per_call(self) -> float:
        """Microseconds of all three for each call."""
        return 1e6 * (self.plan_s + self.hear_s + self.write_s) / self.calls


def measure_sweep(calls: int, recordings: int = _RECORDINGS) -> SweepSpeed:
    """Return how long a sweep of about so many calls takes beside its inference, and its memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset, model = _dataset(folder / "data", recordings), _model(folder / "model.pt")
        experiments = max(1, round(calls / recordings / _CALLS))
        windows = np.linspace(0.401, _LONGEST_S, experiments).round(6).tolist()
        sweep = Sweep.of(
            (f"{number}", Experiment(model=str(model), engine=PARROT, dataset=str(dataset), strategy="disjoint",
                                     window_s=window_s, timed_as="tiny.en"))
            for number, window_s in enumerate(windows)
        )  # fmt: skip
        began_s = time.process_time()
        waves = list(Planner().waves(sweep))
        plan_s, plan_bytes = time.process_time() - began_s, _peak_bytes(resource.RUSAGE_SELF)
        heard = [task for wave in waves for stage in wave[:-1] for task in stage]
        runs = folder / "runs"
        hear_s, hear_bytes = _done(heard, folder / "store", runs)
        write_s, write_bytes = _done([task for wave in waves for task in wave[-1]], folder / "store", runs)
        return SweepSpeed(
            sum(task.calls for task in heard), experiments, recordings, len(heard), plan_s, hear_s, write_s,
            plan_bytes, hear_bytes, write_bytes, _size(folder / "store"), _size(runs),
        )  # fmt: skip


def _done(tasks: Sequence[Task], place: Path, out: Path) -> tuple[float, int]:
    """Have one worker do the tasks; its processor seconds and its peak of memory."""

    def done(task: Task, answer: Answer) -> None:
        if answer.error is not None:
            raise RuntimeError(answer.error)
        (out / task.name).mkdir(parents=True, exist_ok=True)
        for name, text in answer.files.items():
            (out / task.name / name).write_text(text, encoding="utf-8")

    stated = {"command": "speed", "date": "", "wall_s": 0.0, "calls_computed": 0}
    before_s = _children_s()
    pool = LocalPool(str(place), {"cpu": 1})
    try:
        do_all([[list(tasks)]], pool, lambda task, number: encode(Order(task, stated, number)).encode(), done, 1)
    finally:
        pool.close()
    return _children_s() - before_s, _peak_bytes(resource.RUSAGE_CHILDREN)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_bytes(who: int) -> int:
    return resource.getrusage(who).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _dataset(folder: Path, many: int) -> Path:
    rng, lines = np.random.default_rng(0), []
    folder.mkdir()
    for number in range(many):
        noise = rng.uniform(-0.1, 0.1, int(_RECORDING_S * 16_000)).astype(np.float32)
        soundfile.write(folder / f"{number}.wav", noise, 16_000, "PCM_16")
        words = [{"word": "one", "start": at_s, "end": at_s + 0.2} for at_s in (0.0, 1.0, 2.0, 3.0)]
        lines.append({"audio_filepath": f"{number}.wav", "duration": _RECORDING_S, "text": "one " * 4, "words": words})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def _model(path: Path) -> Path:
    torch.manual_seed(0)
    weights = Whisper(_DIMS).state_dict()
    torch.nn.init.normal_(weights["decoder.positional_embedding"])  # Whisper leaves it as memory was
    torch.save({"dims": asdict(_DIMS), "model_state_dict": weights}, path)
    return path


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
