"""The part of a workload that one device runs where several devices share a call."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..lpu.compile import as_matmul
from ..workload.workload import Op, Workload

# encode and prefill are phases of a workload; attend is the attention of decode steps, project the rest of them;
# verify is the prefill without the keys and values of the audio, which are there already
PARTS = ("encode", "prefill", "attend", "project", "verify")


@dataclass(frozen=True, slots=True)
class Part(Workload):
    """A workload of which only some operations are run; all fields of `Workload` keep their meaning.

    parts: what is run, see `PARTS`. base: the workload it is a part of, where its decoder is not Whisper's own.
    """

    parts: tuple[str, ...] = PARTS
    base: Workload | None = None

    @classmethod
    def of(cls, work: Workload, *parts: str) -> "Part":
        """Return these parts of a workload."""
        fields = {name: getattr(work, name) for name in Workload.__slots__}
        return cls(**fields, parts=parts, base=None if type(work) is Workload else work)

    @property
    def affine(self) -> bool:
        """Whether the sizes of operations are affine in calls and steps, which is so if those of the whole are."""
        return self._whole().affine

    def for_schedule(self) -> "Part":
        """Return the part of what a static schedule books."""
        booked = getattr(self.base, "for_schedule", None)
        return replace(self, base=booked()) if booked else self

    def key_runs(self, quantum: int) -> tuple[tuple[int, int], ...]:
        """Return the decode steps of the whole, as `Workload.key_runs` does."""
        return self._whole().key_runs(quantum)

    @property
    def samples(self) -> int:
        """Audio samples of each call that have to be sent to the device."""
        return self._whole().samples if "encode" in self.parts else 0

    def ops(self) -> tuple[Op, ...]:
        """Return the operations of the part, as `Workload.ops` gives them."""
        return self._keep(self._whole().ops())

    def decode_ops(self) -> tuple[Op, ...]:
        """Return the part of `ops()` that depends on the number of decode steps."""
        return self._keep(op for op in self._whole().ops() if op.phase == "decode")

    def step_ops(self, keys: int) -> tuple[Op, ...]:
        """Return the operations of one decode step in this part."""
        return self._keep(self._whole().step_ops(keys))

    @property
    def weights_bytes(self) -> int:
        """Bytes of the parameters that the part needs."""
        ops = [op for op in self.ops() if op.kind != "embedding"]
        before = sum(op.count * op.weight_bytes for op in ops if op.phase != "decode")
        # a decode step uses parameters that the prefill uses as well, if that is in the part
        filled = {"prefill", "verify"} & set(self.parts)
        step = [op for op in self._keep(replace(self._whole(), decode_tokens=1).decode_ops()) if op.kind != "embedding"]
        return round(before + (0 if filled else sum(op.count * op.weight_bytes for op in step)))

    @property
    def kv_bytes(self) -> int:
        """Bytes of cached keys and values of one stream; 0 if the part has no attention of the decoder."""
        attends = {"prefill", "verify", "attend"} & set(self.parts)
        return self._whole().kv_bytes if attends else 0

    def _whole(self) -> Workload:
        fields = {name: getattr(self, name) for name in Workload.__slots__}
        return replace(self.base, **fields) if self.base else Workload(**fields)

    def _keep(self, ops: Iterable[Op]) -> tuple[Op, ...]:
        # where attention is done elsewhere, its results arrive in its place
        alone = "project" in self.parts and "attend" not in self.parts
        arrived = (_arrival(op) if alone and op.phase == "decode" and op.kind == "attention" else op for op in ops)
        return tuple(op for op in arrived if self._keeps(op))

    def _keeps(self, op: Op) -> bool:
        if op.phase in ("mel", "encode"):
            return "encode" in self.parts
        if op.phase == "prefill":
            product = as_matmul(op)
            of_audio = product is not None and product[1] == self.batch * self.positions
            return "prefill" in self.parts or ("verify" in self.parts and not of_audio)
        return ("attend" if op.kind in ("attention", "cat") else "project") in self.parts


def _arrival(op: Op) -> Op:
    batch, heads, queries, _, size = op.shape
    shape = (batch, queries, heads * size)
    return replace(op, kind="elementwise", shape=shape, flops=0, read_bytes=op.write_bytes)
