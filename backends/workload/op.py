"""One operation of a workload: what is computed, and what has to be moved for it."""

from dataclasses import dataclass

SAMPLE_RATE, HOP, N_FFT = (
    16_000,
    160,
    400,
)  # whisper.audio: samples per second, per mel frame, per Fourier window
ITEM_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "w8a8": 1, "fp8": 1}
Number = int | float
Shape = tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Op:
    """One operation, `count` times; sizes are those of one of them.

    shape by kind: conv1d (batch, in, out, kernel, out positions); matmul and logits ([batch,] m, n, k);
    attention, which is fused, (batch, heads, queries, keys, head size); embedding (tokens, rows of the table,
    width); every other kind: the shape of its output. A mean over decode steps may have half a key.
    flops: 2 per multiply-add of convolutions, matmuls and attention, as torch.utils.flop_counter; else 0.
    weight_bytes: parameters; read_bytes: activations and cached keys and values; write_bytes: the output.
    weights: how the parameters of a matmul are stored, if in another format than the activations.
    """

    kind: str
    phase: str
    shape: Shape
    dtype: str
    flops: Number
    weight_bytes: Number
    read_bytes: Number
    write_bytes: Number
    count: int = 1
    weights: str = ""

    @property
    def bytes(self) -> Number:
        """Bytes moved by one of them if nothing stays on the chip."""
        return self.weight_bytes + self.read_bytes + self.write_bytes
