"""A sweep file: the keywords of one experiment, and under `[grid]` those that have several values."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...backends.errors import InputError
from ...backends.measured.address import is_endpoint
from ...backends.reading import read_toml
from ..experiment import store
from ..experiment.experiment import Experiment

# What each machine would choose for itself: others would then hear other texts.
_BY_MACHINE = {"engine": ("auto",), "precision": ("fastest",)}
_LONGEST_NAME = 120  # of a folder: file systems take 255 bytes


@dataclass(frozen=True, slots=True)
class Sweep:
    """Experiments to be heard together.

    name: of the study, the file's without its ending.
    experiments: by name; the name is the folder that the run goes into.
    """

    name: str
    experiments: dict[str, Experiment]

    @classmethod
    def from_toml(cls, path: str | Path) -> "Sweep":
        """Return the sweep in a TOML file: every combination of the lists under `[grid]`, each once.

        Raises `InputError`, naming the combination that cannot be.
        """
        given = read_toml(Path(path))
        grid = given.pop("grid", {})
        if not isinstance(grid, Mapping) or not all(isinstance(values, list) and values for values in grid.values()):
            raise InputError(f"{path}: [grid] expects a list of values for each key, for example window_s = [2, 5, 10]")
        if twice := sorted(set(grid) & set(given)):
            raise InputError(f"{path}: {twice[0]!r} is given above [grid] and in it; leave one of them out")
        combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        named = ((_name(one), Experiment.from_keys({**given, **one}, _origin(path, one))) for one in combinations)
        return cls.of(named, Path(path).stem)

    @classmethod
    def of(cls, experiments: Iterable[tuple[str, Experiment]], name: str = "sweep") -> "Sweep":
        """Return a sweep of named experiments; of equal ones the first stays. Raises `InputError` if there is none."""
        kept: dict[Experiment | str, tuple[str, Experiment]] = {}
        for own, experiment in experiments:
            if not experiment.cache:
                raise InputError("a sweep goes through the store of transcripts; leave cache = false out")
            for name, value in (("engine", experiment.engine), ("precision", experiment.precision)):
                if value in _BY_MACHINE[name]:
                    raise InputError(f"{name} = {value!r} is chosen by each machine; name one in a sweep")
            if asked := [name for name in experiment.backends if is_endpoint(name)]:
                raise InputError(f"a sweep times simulated devices; measure {asked[0]} with earspan evaluate --backend")
            kept.setdefault(store.encode(experiment), (own, experiment))
        if not kept:
            raise InputError("a sweep of no experiment; give one")
        found: dict[str, Experiment] = {}
        for key, (own, experiment) in kept.items():
            if own in found:  # values that differ only in what no folder may be called
                own = f"{own}-{hashlib.sha256(str(key).encode()).hexdigest()[:8]}"
            found[own] = experiment
        return cls(name, found)


def _origin(path: str | Path, one: Mapping[str, Any]) -> str:
    return f"{path}: {_shown(one)}" if one else str(path)


def _shown(one: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {store.encode(value)}" for key, value in one.items())


def _name(one: Mapping[str, Any]) -> str:
    """Return a folder's name for a combination, such as `strategy=sliding,window_s=5`."""
    parts = []
    for key, value in one.items():
        text = value if isinstance(value, str) else store.encode(value)
        parts.append(f"{key}={re.sub(r'[^A-Za-z0-9._+-]+', '_', text).strip('_')}")
    name = ",".join(parts) or "run"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
