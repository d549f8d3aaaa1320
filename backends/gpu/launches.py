"""Which operations a runtime runs as kernels of their own, and what memory traffic is left of the others.

eager   PyTorch: every operation that the modules dispatch is a kernel that the host launches, and every decode step
        filters logits, samples and tests for the end on the host's side.
graph   compiled: casts, appending keys and values, and the sums of residuals are done by the kernels next to them.
ggml    as graph, with elementwise work in fp32 and a kernel for each part of it.
fused   TensorRT-LLM and CTranslate2: as graph; besides, queries, keys and values are one matmul, and GELU is part of
        the matmul before it.
"""

from collections.abc import Iterator
from dataclasses import replace

from ..workload.workload import ITEM_BYTES, Op, Workload
from .runtimes import Runtime

# part of the memory traffic that is left of an operation that a compiled runtime gives no kernel of its own
_INTO_NEIGHBOUR = {"graph": {"cast": 0.0, "cat": 0.0, "add": 1.0}, "fused": {"cast": 0.0, "cat": 0.0, "gelu": 0.0}}
# a residual sum is read and written by the layer norm next to it
_INTO_NEIGHBOUR["fused"]["add"] = 0.5
# filters, log-softmax, maximum and test for the end: times that the fp32 logits pass through memory
_SAMPLING_PASSES = {"eager": 8.0, "graph": 2.0, "fused": 1.0}
# ggml has a kernel for each operation, also for scale, shift and bias, in fp32, and casts before every matmul: over an
# encoder layer (norms 12, biases 16, GELU 8, sums 6, casts 13, copies 6 times the fp32 activations) it moves 5.5 times
# what is counted here
_GGML_TRAFFIC = 5.5
_INTO_NEIGHBOUR["ggml"], _SAMPLING_PASSES["ggml"] = _INTO_NEIGHBOUR["graph"], 2.0
# scores of unfused attention in fp32: written, scaled and masked, read and written by the softmax, read again; ggml
# casts them besides
_SCORE_PASSES = {"fused": 4.0, "eager": 5.0, "graph": 4.0, "ggml": 7.0}


def list_kernels(work: Workload, runtime: Runtime, ops: tuple[Op, ...]) -> Iterator[tuple[Op, float, bool]]:
    """Yield the operations as the runtime runs them.

    Each comes with the part of its bytes that moves through memory, and whether it is a kernel of its own.
    """
    if runtime.attention == "math":
        ops = tuple(one for op in ops for one in _unfuse(op, _SCORE_PASSES[runtime.kernels]))
    if runtime.kernels == "eager":
        yield from ((op, 1.0, True) for op in ops)
        return
    into = _INTO_NEIGHBOUR[runtime.kernels]
    traffic = _GGML_TRAFFIC if runtime.kernels == "ggml" else 1.0
    for op in _join_matmuls(ops) if runtime.kernels == "fused" else ops:
        if op.kind in into:
            yield op, into[op.kind] * traffic, False
        else:
            yield op, traffic if op.kind in ("layer_norm", "gelu") else 1.0, True


def _unfuse(op: Op, passes: float) -> Iterator[Op]:
    """Yield attention of many queries as two matmuls with a softmax between them; any other operation as it is.

    passes: how often the scores, in fp32, pass through memory.
    """
    if op.kind != "attention" or op.phase == "decode":
        yield op
        return
    batch, heads, queries, keys, head = op.shape
    item, scores = ITEM_BYTES[op.dtype], batch * heads * queries * keys
    rows = [batch * heads * count * head * item for count in (queries, keys)]
    half = replace(op, kind="matmul", flops=op.flops / 2, read_bytes=rows[0] + rows[1])
    yield replace(half, shape=(batch * heads, queries, keys, head), write_bytes=0)
    yield Op("softmax", op.phase, (batch, heads, queries, keys), "fp32", 0, 0, passes * 4 * scores, 0, op.count)
    yield replace(half, shape=(batch * heads, queries, head, keys), read_bytes=rows[1], write_bytes=rows[0])


def _join_matmuls(ops: tuple[Op, ...]) -> Iterator[Op]:
    """Yield the operations with matmuls over the same input joined into one."""
    waiting: list[Op] = []
    for op in ops:
        if op.kind == "matmul" and len(op.shape) == 3:
            _, n, k = op.shape
            if waiting and n == k and op.shape == waiting[0].shape and _same_input(waiting[0], op):
                waiting.append(op)
                continue
            yield from _join(waiting)
            waiting = [op]
        elif op.kind == "cat":
            yield op
        else:
            yield from _join(waiting)
            waiting = []
            yield op
    yield from _join(waiting)


def _same_input(first: Op, op: Op) -> bool:
    # in a prefill, the query of cross-attention may have as many rows as its keys, which are of another input;
    # the projection of keys has no bias, so joining starts at it
    return first.phase == op.phase and (op.phase != "prefill" or first.weight_bytes < op.weight_bytes)


def _join(group: list[Op]) -> Iterator[Op]:
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


def sampling_op(work: Workload, runtime: Runtime, phase: str, passes: int) -> Op:
    """Return the operation of choosing a token for every call of the batch, `passes` times: traffic of fp32 logits."""
    rows = work.batch * (work.pass_tokens * work.beam if phase == "decode" else 1)
    logits = rows * work.dims.n_vocab * ITEM_BYTES["fp32"]
    shape = (rows, work.dims.n_vocab)
    return Op(
        "sampling", phase, shape, "fp32", 0, 0, _SAMPLING_PASSES[runtime.kernels] * logits, 8 * work.batch, passes
    )
