"""The operations of a workload as the arrays of features on which the times of its kernels depend.

Sizes are affine in the batch and, at the mean decode step, in the number of steps: so the features of a few workloads
give those of all others with the same dimensions, which is what makes timing thousands of calls quick.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..devices.kernels import COLUMNS, KERNELS, rows_of
from ..workload.op import HOP, SAMPLE_RATE
from ..workload.workload import PHASES, Workload
from .launches import list_kernels, sampling_op
from .runtimes import Runtime

Array = NDArray[np.float64]
AT = {name: index for index, name in enumerate(COLUMNS)}  # the column of each feature
_SPARED = ("flops", "stationary", "moving", "least_flops", "least_bytes")


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """Operations as features.

    features: shape = (operations, len(COLUMNS)), as of `kernels.rows_of`.
    phase: index in `PHASES` of each operation. kernel: 1 for each that is a kernel of its own, else 0.
    part: the workload to which each belongs, where there are several.
    """

    features: Array
    phase: NDArray[np.intp]
    kernel: Array
    part: NDArray[np.intp]


def make_rows(work: Workload, runtime: Runtime, *, decode: bool) -> Rows:
    """Return the rows of all decode steps, or with `decode` False of all that comes before them."""
    phase, passes = ("decode", work.decode_tokens) if decode else ("prefill", 1)
    ops = (work.decode_ops() if passes else ()) if decode else start_of(work).ops()
    # a device that shares calls with another samples where it has the logits
    if any(op.kind == "logits" for op in ops):
        ops = (*ops, sampling_op(work, runtime, phase, passes))
    run = list(list_kernels(work, runtime, ops))
    features = rows_of((op, moved) for op, moved, _ in run)
    phases = np.array([PHASES.index(op.phase) for op, _, _ in run], dtype=np.intp)
    return Rows(features, phases, np.array([own for *_, own in run], dtype=float), np.zeros(len(run), np.intp))


def begin_rows(work: Workload, runtime: Runtime) -> Rows:
    """Return the rows of all operations up to the first token."""
    if not work.affine:
        return make_rows(work, runtime, decode=False)
    rows, more = _by_batch(replace(start_of(work), batch=1), runtime)
    return replace(rows, features=rows.features + (work.batch - 1) * more)


def decode_rows(work: Workload, runtime: Runtime) -> Rows:
    """Return the rows of all decode steps, with the sizes of the mean step."""
    steps = work.decode_tokens
    fits = work.prompt_tokens + max(steps, 2) + work.pass_tokens - 1 <= work.dims.n_text_ctx
    if not (steps and fits and work.affine):
        return make_rows(work, runtime, decode=True)
    rows, by_batch, by_step, by_both = _by_batch_and_step(replace(start_of(work), batch=1, decode_tokens=1), runtime)
    b, t = work.batch - 1, steps - 1
    return replace(rows, features=rows.features + b * by_batch + t * by_step + b * t * by_both)


@lru_cache(maxsize=4096)
def _by_batch(one: Workload, runtime: Runtime) -> tuple[Rows, Array]:
    """Return the rows of one call up to its first token, and what every further call of the batch adds to them."""
    first, second = (make_rows(replace(one, batch=batch), runtime, decode=False) for batch in (1, 2))
    return first, second.features - first.features


@lru_cache(maxsize=4096)
def _by_batch_and_step(one: Workload, runtime: Runtime) -> tuple[Rows, Array, Array, Array]:
    """Return the rows of a step of one call, and what a further call, a further step, and both together add."""
    rows = [
        make_rows(replace(one, batch=batch, decode_tokens=steps), runtime, decode=True)
        for batch, steps in ((1, 1), (2, 1), (1, 2), (2, 2))
    ]
    first, batch, step, both = (part.features for part in rows)
    return rows[0], batch - first, step - first, both - batch - step + first


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several workloads as one, each marked with the index of its workload."""
    owner = np.repeat(np.arange(len(parts)), [len(part.phase) for part in parts])
    features, phase, kernel = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "phase", "kernel")
    )
    return Rows(features, phase, kernel, owner)


def spare_ended(rows: Rows, alive: float) -> Rows:
    """Return the rows of decode steps in which only a part of the calls, `alive`, still takes part in attention."""
    if alive == 1:
        return rows
    features = rows.features.copy()
    mine = np.ix_(features[:, AT["kernel"]] == KERNELS.index("decode"), [AT[name] for name in _SPARED])
    features[mine] *= alive
    return replace(rows, features=features)


@lru_cache(maxsize=4096)
def start_of(work: Workload) -> Workload:
    """Return the call up to its first token, which has the same time whatever number of decode steps follows."""
    # with full padding, all lengths of audio are one workload
    full_s = work.dims.n_audio_ctx * 2 * HOP / SAMPLE_RATE if work.padding == "full" else work.audio_s
    return replace(work, decode_tokens=0, audio_s=full_s) if work.decode_tokens or work.audio_s != full_s else work
