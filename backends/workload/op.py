"""One operation of a workload: what is computed, and what has to be moved for it; and the constants of Whisper."""

from dataclasses import dataclass

# whisper.audio: samples per second, samples per mel frame, samples per Fourier window, seconds that Whisper takes in
SAMPLE_RATE, HOP, N_FFT, LONGEST_S = 16_000, 160, 400, 30.0
ITEM_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "w8a8": 1, "fp8": 1}
Number = int | float
Shape = tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Op:
    """One operation, which is done `count` times; all sizes are those of one of them.

    kind: "conv1d", "matmul", "logits", "attention" (fused), "embedding", "layer_norm", "gelu", "add", ...
    phase: of the call, as in `workload.PHASES`.
    shape: of conv1d (batch, in, out, kernel, out positions); of matmul and logits ([batch,] m, n, k); of attention
        (batch, heads, queries, keys, head size); of embedding (tokens, rows of the table, width); of every other kind
        the shape of its output. A mean over decode steps may have half a key.
    dtype: of the activations, "fp16" or "fp32".
    flops: 2 for each multiply-add of convolutions, matmuls and attention, as torch.utils.flop_counter counts; else 0.
    weight_bytes, read_bytes, write_bytes: the parameters; activations with cached keys and values; the output.
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
        """Bytes that one of them moves if nothing stays on the chip."""
        return self.weight_bytes + self.read_bytes + self.write_bytes
