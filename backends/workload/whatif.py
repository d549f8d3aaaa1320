"""Workloads of Whisper with a decoder that does not exist: for timing only, since there is no checkpoint to run.

`MixtureWorkload` has several experts in place of every MLP of the decoder. `RefinedWorkload` writes several tokens at
once and goes over them several times, as diffusion does. `Decoder` makes either from the text of `--decoder`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError, unknown
from .workload import ITEM_BYTES, Op, Workload


def _plain(work: Workload) -> Workload:
    return Workload(**{name: getattr(work, name) for name in Workload.__slots__})


@dataclass(frozen=True, slots=True)
class MixtureWorkload(Workload):
    """Calls of a decoder with `experts` MLPs per layer, of which a router picks `active` for each token.

    The encoder is unchanged. An expert that a token picks with chance p is used by at least one of m tokens with chance
    1 - (1 - p)^m. So of E experts that are picked evenly, E (1 - (1 - k/E)^m) are used, and their weights have to be
    read; the weights of all have to be held.
    experts, active: how many there are, and how many a token goes through.
    skew: an expert's popularity is its rank to the power of -skew, as far as a token can pick each once; 0: all alike.
    booked: whether the time is what a static schedule has to book: for the most experts that the tokens can use, each
        with room for the tokens of the most popular one. Which weights are fetched is then open, but not when.
    """

    experts: int = 8
    active: int = 2
    skew: float = 0.0
    booked: bool = False

    def __post_init__(self) -> None:
        # super() is of the class before slots were added
        Workload.__post_init__(self)
        if not 1 <= self.active <= self.experts:
            raise InputError(f"{self.active} of {self.experts} experts given; expected at least 1 and at most all")
        if not 0 <= self.skew <= 4:
            raise InputError(f"skew is {self.skew}; expected 0 (all experts alike) to 4")

    @property
    def affine(self) -> bool:
        """False: the more tokens, the fewer of the experts that they pick are new."""
        return False

    def for_schedule(self) -> "MixtureWorkload":
        """Return the same calls as a static schedule books them: for whatever the router picks."""
        return replace(self, booked=True)

    def ops(self) -> tuple[Op, ...]:
        """Return the operations, with experts in place of the MLPs of the decoder."""
        return self._mix_experts(_plain(self).ops())

    def decode_ops(self) -> tuple[Op, ...]:
        """The part of `ops()` that depends on the number of decode steps."""
        return self._mix_experts(_plain(self).decode_ops())

    def step_ops(self, keys: int) -> tuple[Op, ...]:
        """Return the operations of one decode step that attends to `keys` tokens."""
        return self._mix_experts(_plain(self).step_ops(keys))

    @property
    def weights_bytes(self) -> int:
        """Bytes of all parameters, those of experts and routers included."""
        d, item = self.dims.n_text_state, ITEM_BYTES[self.weight_dtype]
        mlp, router = 8 * d * d + 5 * d, d * self.experts
        more = self.dims.n_text_layer * ((self.experts - 1) * mlp + router) * item
        return _plain(self).weights_bytes + more

    def _mix_experts(self, ops: Iterable[Op]) -> tuple[Op, ...]:
        found: list[Op] = []
        d = self.dims.n_text_state
        for op in ops:
            decoder = op.phase in ("prefill", "decode")
            if decoder and op.kind == "matmul" and op.shape[1:] == (4 * d, d):
                found += [*self._route(op), self._expert(op)]
            elif decoder and op.kind == "gelu":
                found.append(self._scale(op))
            elif decoder and op.kind == "matmul" and op.shape[1:] == (d, 4 * d):
                found += [self._expert(op), self._move("gather", op)]
            else:
                found.append(op)
        return tuple(found)

    def _touched(self, tokens: float) -> tuple[float, float]:
        """Return how many experts `tokens` tokens use, and how many tokens each of them takes."""
        chances = picks(self.experts, self.active, self.skew)
        if self.booked:
            # full room for the most popular; of m tokens, at most m picks of it
            used = min(self.experts, tokens * self.active)
            return used, max(tokens * self.active / used, min(tokens, tokens * chances[0]))
        touched = sum(1 - (1 - chance) ** tokens for chance in chances)
        return touched, tokens * self.active / touched

    def _route(self, op: Op) -> list[Op]:
        m, _, d = op.shape
        item, weights = ITEM_BYTES[self.weight_dtype], d * self.experts
        router = replace(
            op,
            shape=(m, self.experts, d),
            flops=2 * m * weights,
            weight_bytes=weights * item,
            write_bytes=m * self.experts * 2,
        )
        choose = Op("elementwise", op.phase, (m, self.experts), op.dtype, 0, 0, m * self.experts * 2, m * 2, op.count)
        return [router, choose, self._move("scatter", op)]

    def _move(self, kind: str, op: Op) -> Op:
        rows, width = op.shape[0] * self.active, self.dims.n_text_state
        size = rows * width * ITEM_BYTES[self.dtype]
        return Op(kind, op.phase, (rows, width), op.dtype, 0, 0, size, size, op.count)

    def _expert(self, op: Op) -> Op:
        m, n, k = op.shape
        touched, tokens = self._touched(m)
        return replace(
            op,
            shape=(touched, tokens, n, k),
            flops=op.flops * self.active,
            weight_bytes=op.weight_bytes * touched,
            read_bytes=op.read_bytes * self.active,
            write_bytes=op.write_bytes * self.active,
        )

    def _scale(self, op: Op) -> Op:
        shape = (*op.shape[:-1], op.shape[-1] * self.active)
        return replace(
            op, shape=shape, read_bytes=op.read_bytes * self.active, write_bytes=op.write_bytes * self.active
        )


def picks(experts: int, active: int, skew: float) -> tuple[float, ...]:
    """Return the chance that a token picks each expert, most popular first; they sum to `active`, none is above 1."""
    left, weights, found = float(active), [rank**-skew for rank in range(1, experts + 1)], []
    for index, weight in enumerate(weights):
        chance = min(1.0, left * weight / sum(weights[index:]))
        found.append(chance)
        left -= chance
    return tuple(found)


@dataclass(frozen=True, slots=True)
class RefinedWorkload(Workload):
    """Calls of a decoder that goes over a block of the text several times, as diffusion does.

    text_tokens: tokens of a block, which every pass computes together.
    decode_tokens: passes over all blocks, and before them the steps of `key_tokens`.
    key_tokens: tokens that are written one by one first, each in a step of its own.
    kept_tokens: tokens of the text outside of the block that a pass attends to, on average.
    """

    text_tokens: int = 1
    key_tokens: int = 0
    kept_tokens: int = 0

    def __post_init__(self) -> None:
        Workload.__post_init__(self)
        if not 1 <= self.text_tokens <= self.dims.n_text_ctx:
            raise InputError(f"{self.text_tokens} text tokens given; expected 1 to {self.dims.n_text_ctx}")
        total = self.text_tokens + self.kept_tokens
        if min(self.key_tokens, self.kept_tokens) < 0 or total > self.dims.n_text_ctx:
            raise InputError(f"{total} tokens of text given; expected 1 to {self.dims.n_text_ctx}")

    @property
    def affine(self) -> bool:
        """False: steps and passes differ."""
        return False

    @property
    def kv_bytes(self) -> int:
        """Bytes of cached keys and values of one stream: those of the audio, the prompt and the text."""
        text = min(self.text_tokens + 2 * self.kept_tokens, self.dims.n_text_ctx)
        return replace(_plain(self), prompt_tokens=text, decode_tokens=0).kv_bytes

    @property
    def _steps(self) -> int:
        return min(self.key_tokens, self.decode_tokens)

    def ops(self) -> tuple[Op, ...]:
        """Return the operations: encoder and prefill as in Whisper, then the passes."""
        return tuple(op for op in _plain(self).ops() if op.phase != "decode") + self.decode_ops()

    def decode_ops(self) -> tuple[Op, ...]:
        """Return the operations of the key tokens' steps, then of all passes."""
        passes = self.decode_tokens - self._steps
        steps = replace(_plain(self), decode_tokens=self._steps).decode_ops() if self._steps else ()
        return steps + (self._pass(passes) if passes else ())

    def key_runs(self, quantum: int) -> tuple[tuple[int, int], ...]:
        """Return steps and passes as (keys attended to, how many); 0 keys stand for a pass, which has only its own."""
        passes = self.decode_tokens - self._steps
        steps = replace(_plain(self), decode_tokens=self._steps).key_runs(quantum) if self._steps else ()
        return (*steps, *([(0, passes)] if passes else []))

    def step_ops(self, keys: int) -> tuple[Op, ...]:
        """Return the operations of a step that attends to `keys` tokens, at least 2; of one pass if there is none."""
        if self.key_tokens and 2 <= keys < self.dims.n_text_ctx:
            return replace(_plain(self), decode_tokens=1).step_ops(keys)
        return self._pass(1)

    def _pass(self, times: int) -> tuple[Op, ...]:
        whole = replace(_plain(self), prompt_tokens=self.text_tokens, decode_tokens=0)
        audio = self.batch * self.positions
        # keys and values of the audio were computed in the prefill
        kept = (
            op for op in whole.ops() if op.phase == "prefill" and not (op.kind == "matmul" and op.shape[0] == audio)
        )
        return tuple(replace(self._widen(op), phase="decode", count=op.count * times) for op in kept)

    def _widen(self, op: Op) -> Op:
        """Return the block's attention to itself, widened to the kept text."""
        if op.kind != "attention" or op.shape[3] != self.text_tokens or not self.kept_tokens:
            return op
        batch, heads, queries, keys, size = op.shape
        more = self.kept_tokens / keys
        read_bytes = op.read_bytes + 2 * batch * heads * self.kept_tokens * size * ITEM_BYTES[self.dtype]
        return replace(
            op,
            shape=(batch, heads, queries, keys + self.kept_tokens, size),
            flops=op.flops * (1 + more),
            read_bytes=read_bytes,
        )


@dataclass(frozen=True, slots=True)
class Decoder:
    """A decoder that does not exist, as `--decoder` names it.

    kind: "moe" or "diffusion".
    experts, active, skew: of "moe", as in `MixtureWorkload`.
    steps, block: of "diffusion": passes over each block, and tokens of a block.
    first: part of the tokens that are written one by one before the passes.
    """

    kind: str
    experts: int = 8
    active: int = 2
    skew: float = 0.0
    steps: int = 8
    block: int = 32
    first: float = 0.0

    def of(self, work: Workload) -> Workload:
        """Return the call with this decoder in place of Whisper's."""
        fields = {name: getattr(work, name) for name in Workload.__slots__}
        if self.kind == "moe":
            return MixtureWorkload(**fields, experts=self.experts, active=self.active, skew=self.skew)
        tokens = work.decode_tokens
        if not tokens:
            return work
        key_tokens = min(tokens, round(self.first * tokens))
        block = min(self.block, max(1, tokens - key_tokens))
        passes = self.steps * math.ceil((tokens - key_tokens) / block)
        fields["decode_tokens"] = key_tokens + passes
        kept = key_tokens + (tokens - key_tokens - block) // 2
        return RefinedWorkload(**fields, text_tokens=block, key_tokens=key_tokens, kept_tokens=kept)


_OPTIONS = {
    "moe": {"experts": int, "active": int, "skew": float},
    "diffusion": {"steps": int, "block": int, "first": float},
}


def read_decoder(text: str) -> Decoder:
    """Return the decoder that a text such as `moe`, `moe:experts=16,skew=1` or `diffusion:steps=8,block=32` describes.

    Raises `InputError` for any other text.
    """
    kind, _, rest = text.partition(":")
    if kind not in _OPTIONS:
        raise unknown("decoder", kind, _OPTIONS)
    given: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        name, _, value = part.partition("=")
        if name not in _OPTIONS[kind]:
            raise unknown(f"option of {kind}", name, _OPTIONS[kind])
        try:
            given[name] = _OPTIONS[kind][name](value)
        except ValueError:
            raise InputError(
                f"decoder {text!r}: {name} is {value!r}; expected a number, as in {kind}:{name}=2"
            ) from None
    found = Decoder(kind, **given)
    if not (1 <= found.active <= found.experts <= 1024 and 0 <= found.skew <= 4):
        raise InputError(f"decoder {text!r}: expected 1 <= active <= experts <= 1024 and skew 0 to 4")
    if not (1 <= found.steps <= 1000 and found.block >= 1 and 0 <= found.first < 1):
        raise InputError(f"decoder {text!r}: expected steps 1 to 1000, block at least 1, first 0 to less than 1")
    return found
