"""What a case is: something bad that a stranger might send, and how the command that meets it has to end."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Plant = Callable[[Path], list[str]]


@dataclass(frozen=True, slots=True)
class Case:
    """One bad input.

    name: what is bad.
    plant: puts it into an empty folder, and returns the command that is to meet it.
    codes: exit codes that are right: 2 refused, 1 listed or left out beside what is good, 0 harmless.
    """

    name: str
    plant: Plant
    codes: tuple[int, ...] = (2,)


def heard(folder: Path) -> list[str]:
    """The command that listens to a dataset in `folder` with the model `random.pt`, which the test puts there."""
    return [
        "evaluate", "--dataset", str(folder), "--model", "random.pt", "--timed-as", "tiny", "--backend", "none",
        "--strategy", "disjoint", "--window", "30", "--word-times", "none", "--decoding", "greedy", "--out", "out",
    ]  # fmt: skip
