"""How a GPU is driven: which operations become kernels of their own, and what the host costs.

eager   openai-whisper in PyTorch: every operation that its modules dispatch is a kernel that the host launches,
        and every decode step filters logits, samples and tests for the end on the host's side.
graph   compiled, in CUDA graphs: casts, the appending of keys and values and the sums of residuals are part of
        their neighbours; one launch for each phase and each decode step.
fused   TensorRT-LLM and CTranslate2: besides, queries, keys and values are one matmul, and GELU is part of the
        matmul before it.
"""

from collections.abc import Iterator
from dataclasses import replace

from .workload import ITEM_BYTES, Op, Workload

MODES = ("graph", "eager", "fused")

# part of the memory traffic that is left of an operation that a compiled runtime gives no kernel of its own
_INTO_NEIGHBOUR = {"graph": {"cast": 0.0, "cat": 0.0, "add": 1.0}, "fused": {"cast": 0.0, "cat": 0.0, "gelu": 0.0}}
# a residual sum is read and written by the layer norm next to it
_INTO_NEIGHBOUR["fused"]["add"] = 0.5
# filters, log-softmax, maximum and test for the end: times that the fp32 logits pass through memory
_SAMPLING_PASSES = {"eager": 8.0, "graph": 2.0, "fused": 1.0}


def kernels(work: Workload, mode: str, ops: tuple[Op, ...]) -> Iterator[tuple[Op, float, bool]]:
    """Operations as the runtime runs them: with the part of their bytes that moves, and whether each is a kernel."""
    if mode == "eager":
        yield from ((op, 1.0, True) for op in ops)
        return
    into = _INTO_NEIGHBOUR[mode]
    for op in _joined(ops) if mode == "fused" else ops:
        if op.kind in into:
            yield op, into[op.kind], False
        else:
            yield op, 1.0, True


def _joined(ops: tuple[Op, ...]) -> Iterator[Op]:
    """Matmuls over the same input, up to the attention that takes them, become one."""
    waiting: list[Op] = []
    for op in ops:
        if op.kind == "matmul" and len(op.shape) == 3:
            _, n, k = op.shape
            if waiting and n == k and op.shape == waiting[0].shape and _same_input(waiting[0], op):
                waiting.append(op)
                continue
            yield from _one(waiting)
            waiting = [op]
        elif op.kind == "cat":
            yield op
        else:
            yield from _one(waiting)
            waiting = []
            yield op
    yield from _one(waiting)


def _same_input(first: Op, op: Op) -> bool:
    # in a prefill, the query of cross-attention may have as many rows as its keys, which are of another input;
    # the projection of keys has no bias, so joining starts at it
    return first.phase == op.phase and (op.phase != "prefill" or first.weight_bytes < op.weight_bytes)


def _one(group: list[Op]) -> Iterator[Op]:
    if len(group) < 2:
        yield from group
        return
    m, n, k = group[0].shape
    yield replace(
        group[0],
        shape=(m, n * len(group), k),
        flops=sum(op.flops for op in group),
        weight_bytes=sum(op.weight_bytes for op in group),
        write_bytes=sum(op.write_bytes for op in group),
    )


def sampling(work: Workload, mode: str, phase: str, passes: int) -> Op:
    """Choosing a token for every call of the batch, `passes` times: memory traffic over the fp32 logits."""
    rows = work.batch * (work.pass_tokens if phase == "decode" else 1)
    logits = rows * work.dims.n_vocab * ITEM_BYTES["fp32"]
    shape = (rows, work.dims.n_vocab)
    return Op("sampling", phase, shape, "fp32", 0, 0, _SAMPLING_PASSES[mode] * logits, 8 * work.batch, passes)
