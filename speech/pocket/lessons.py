"""What each step of training learns from. A decoder that learns alone learns from each batch several times."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .batches import Batch
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


def lessons(prepare: Callable[[int], Batch], steps: range) -> Iterator[Lesson]:
    """One new batch for each of `steps`, the next one prepared meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(prepare, steps.start)
        for step in steps:
            batch = upcoming.result()
            upcoming = pool.submit(prepare, step + steps.step)
            yield Lesson(batch, batch.mel.shape[2] / 100)


def lessons_of_a_listener(model: PocketTrainer, prepare: Callable[[int], Batch], steps: range) -> Iterator[Lesson]:
    """For a decoder that learns alone: a new batch every `ECHOES` steps, between them earlier ones, drawn by chance.

    To hear takes longer than to learn to write, so what was heard is used again ("data echoing", Choi et al. 2019).
    Features are kept in half precision and in memory alone: a training that goes on from its checkpoint remembers
    nothing of before.
    """
    kept: list[Lesson] = []
    new_steps = range(steps.start, steps.stop, ECHOES)
    for step, lesson in zip(new_steps, lessons(prepare, new_steps), strict=True):
        with torch.no_grad(), faster_precision():
            features, _, _ = model.hear(lesson.batch.mel)
        without_mel = replace(lesson.batch, mel=lesson.batch.mel[..., :0].clone())
        kept.append(replace(lesson, batch=without_mel, features=features.half()))
        del kept[:-MOST_KEPT]
        rng = np.random.default_rng((step, len(kept)))
        earlier = (kept[int(rng.integers(len(kept)))] for _ in range(step + 1, min(step + ECHOES, steps.stop)))
        yield replace(lesson, features=features.float())
        for again in earlier:
            yield replace(again, features=again.features.float(), is_new=False)  # pyright: ignore[reportOptionalMemberAccess]
