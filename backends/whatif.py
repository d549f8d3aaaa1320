"""Workloads of decoders that do not exist, for timing only: no checkpoint, so no transcript and no error rate.

`MixtureWorkload`: every MLP of the decoder is one of several experts. `RefinedWorkload`: a decoder that writes the
whole text at once and goes over it several times, instead of once per token.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from .errors import InputError
from .workload import ITEM_BYTES, Op, Workload


def _plain(work: Workload) -> Workload:
    return Workload(**{name: getattr(work, name) for name in Workload.__slots__})


@dataclass(frozen=True, slots=True)
class MixtureWorkload(Workload):
    """A decoder with `experts` MLPs per layer, of which a router picks `active` for each token.

    The encoder is unchanged. Tokens choose evenly: of E experts, m tokens with k choices each touch
    E (1 - (1 - k/E)^m) on average, which is what has to be read; all have to be held.
    """

    experts: int = 8
    active: int = 2

    affine: ClassVar[bool] = False  # the more tokens, the fewer experts are new

    def __post_init__(self) -> None:
        # super() is of the class before slots were added
        Workload.__post_init__(self)
        if not 1 <= self.active <= self.experts:
            raise InputError(f"{self.active} of {self.experts} experts given; expected at least 1 and at most all")

    def ops(self) -> tuple[Op, ...]:
        """The operations, with MLPs of the decoder replaced."""
        return self._mixed(_plain(self).ops())

    def decode_ops(self) -> tuple[Op, ...]:
        """The part of `ops()` that depends on the number of decode steps."""
        return self._mixed(_plain(self).decode_ops())

    def step_ops(self, keys: int) -> tuple[Op, ...]:
        """The operations of one decode step."""
        return self._mixed(_plain(self).step_ops(keys))

    @property
    def weights_bytes(self) -> int:
        """Bytes of all parameters, experts and routers included."""
        d, item = self.dims.n_text_state, ITEM_BYTES[self.weight_dtype]
        mlp, router = 8 * d * d + 5 * d, d * self.experts
        more = self.dims.n_text_layer * ((self.experts - 1) * mlp + router) * item
        return _plain(self).weights_bytes + more

    def _mixed(self, ops: Iterable[Op]) -> tuple[Op, ...]:
        found: list[Op] = []
        d = self.dims.n_text_state
        for op in ops:
            decoder = op.phase in ("prefill", "decode")
            if decoder and op.kind == "matmul" and op.shape[1:] == (4 * d, d):
                found += [*self._route(op), self._expert(op)]
            elif decoder and op.kind == "gelu":
                found.append(self._scaled(op))
            elif decoder and op.kind == "matmul" and op.shape[1:] == (d, 4 * d):
                found += [self._expert(op), self._move("gather", op)]
            else:
                found.append(op)
        return tuple(found)

    def _touched(self, tokens: float) -> float:
        return self.experts * (1 - (1 - self.active / self.experts) ** tokens)

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
        touched = self._touched(m)
        return replace(
            op,
            shape=(touched, m * self.active / touched, n, k),
            flops=op.flops * self.active,
            weight_bytes=op.weight_bytes * touched,
            read_bytes=op.read_bytes * self.active,
            write_bytes=op.write_bytes * self.active,
        )

    def _scaled(self, op: Op) -> Op:
        shape = (*op.shape[:-1], op.shape[-1] * self.active)
        return replace(
            op, shape=shape, read_bytes=op.read_bytes * self.active, write_bytes=op.write_bytes * self.active
        )


@dataclass(frozen=True, slots=True)
class RefinedWorkload(Workload):
    """A decoder that goes over all `text_tokens` of the text `decode_tokens` times, as diffusion decoders do."""

    text_tokens: int = 1

    def __post_init__(self) -> None:
        Workload.__post_init__(self)
        if not 1 <= self.text_tokens <= self.dims.n_text_ctx:
            raise InputError(f"{self.text_tokens} text tokens given; expected 1 to {self.dims.n_text_ctx}")

    @property
    def kv_bytes(self) -> int:
        """Bytes of keys and values of one stream: of the audio, the prompt and the text."""
        return replace(_plain(self), prompt_tokens=self.text_tokens, decode_tokens=0).kv_bytes

    def ops(self) -> tuple[Op, ...]:
        """The operations: encoder and prefill as ever, then the passes."""
        return tuple(op for op in _plain(self).ops() if op.phase != "decode") + self.decode_ops()

    def decode_ops(self) -> tuple[Op, ...]:
        """All passes."""
        return self._pass(self.decode_tokens) if self.decode_tokens else ()

    def key_runs(self, quantum: int) -> tuple[tuple[int, int], ...]:
        """(keys attended to, number of passes)."""
        return ((self.text_tokens, self.decode_tokens),) if self.decode_tokens else ()

    def step_ops(self, keys: int) -> tuple[Op, ...]:
        """The operations of one pass, whatever `keys`."""
        return self._pass(1)

    def _pass(self, times: int) -> tuple[Op, ...]:
        whole = replace(_plain(self), prompt_tokens=self.text_tokens, decode_tokens=0)
        audio = self.batch * self.positions
        # keys and values of the audio were computed in the prefill
        kept = (
            op for op in whole.ops() if op.phase == "prefill" and not (op.kind == "matmul" and op.shape[0] == audio)
        )
        return tuple(replace(op, phase="decode", count=op.count * times) for op in kept)
