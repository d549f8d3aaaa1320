"""What each step of training learns from. A decoder that learns alone learns from each batch several times."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .batches import CPU, Batch, Draft
from .learner import PocketTrainer, faster_precision

ECHOES = 2  # steps for each batch that is heard
MOST_KEPT = 1500  # batches, of 2.5 MB a worker each


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch. `features` are the encoder's, where it has heard the batch already and does not learn."""

    batch: Batch
    crop_s: float
    is_new: bool = True
    features: Tensor | None = None

    @property
    def heard_s(self) -> float:
        """Audio that is new in it."""
        return len(self.batch.tokens) * self.crop_s * self.is_new


@dataclass(frozen=True, slots=True)
class Preparation:
    """How batches come to be: `draw` draws that of a step, in `processes` beside this one or, with 0, in a thread."""

    draw: Callable[[int], Draft]
    device: torch.device = CPU  # where they are heard
    processes: int = 0

    def __call__(self, steps: range) -> Iterator[Batch]:
        """The batch of each of `steps`, later ones prepared while one is used."""
        drafts = iter(self._drawn_elsewhere(steps)) if self.processes else map(self.draw, steps)

        def fetch() -> Batch:
            return next(drafts).heard(self.device)

        with ThreadPoolExecutor(1) as pool:
            upcoming = pool.submit(fetch)
            for left in reversed(range(len(steps))):
                batch = upcoming.result()
                if left:
                    upcoming = pool.submit(fetch)
                yield batch

    def _drawn_elsewhere(self, steps: range) -> Iterable[Draft]:
        each = _Steps(self.draw, steps)
        return DataLoader(each, batch_size=None, num_workers=self.processes, prefetch_factor=4)


class _Steps(Dataset[Draft]):
    def __init__(self, draw: Callable[[int], Draft], steps: range) -> None:
        self.draw, self.steps = draw, steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, number: int) -> Draft:
        return self.draw(self.steps[number])


def lessons(prepared: Preparation, steps: range) -> Iterator[Lesson]:
    """One new batch for each of `steps`."""
    for batch in prepared(steps):
        yield Lesson(batch, batch.mel.shape[2] / 100)


def lessons_of_a_listener(model: PocketTrainer, prepared: Preparation, steps: range) -> Iterator[Lesson]:
    """For a decoder that learns alone: a new batch every `ECHOES` steps, between them earlier ones, drawn by chance.

    To hear takes longer than to learn to write, so what was heard is used again ("data echoing", Choi et al. 2019).
    Features are kept in half precision and in memory alone: a training that goes on from its checkpoint remembers
    nothing of before.
    """
    kept: list[Lesson] = []
    new_steps = range(steps.start, steps.stop, ECHOES)
    for step, lesson in zip(new_steps, lessons(prepared, new_steps), strict=True):
        with torch.no_grad(), faster_precision(prepared.device):
            features, _, _ = model.hear(lesson.batch.mel)
        without_mel = replace(lesson.batch, mel=lesson.batch.mel[..., :0].clone())
        kept.append(replace(lesson, batch=without_mel, features=features.half()))
        del kept[:-MOST_KEPT]
        rng = np.random.default_rng((step, len(kept)))
        earlier = (kept[int(rng.integers(len(kept)))] for _ in range(step + 1, min(step + ECHOES, steps.stop)))
        yield replace(lesson, features=features.float())
        for again in earlier:
            yield replace(again, features=again.features.float(), is_new=False)  # pyright: ignore[reportOptionalMemberAccess]
