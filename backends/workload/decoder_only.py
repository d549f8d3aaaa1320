"""Workloads of language models, which are decoders without an encoder, such as Llama. For timing only.

They hold the LPU model against published services, and stand for the other users of a fleet: speech synthesis, agents.
"""

from dataclasses import dataclass, replace

from ..errors import InputError, unknown
from .builder import OpBuilder
from .models import Dimensions
from .op import ITEM_BYTES, Op
from .workload import Workload


@dataclass(frozen=True, slots=True)
class DecoderOnly(Workload):
    """A prompt of `prompt_tokens` tokens, then `decode_tokens` tokens one by one.

    Width, heads, layers, vocabulary and context are those of the text side of `dims`.
    history: tokens before the prompt whose keys and values are kept.
    kv_heads: heads of keys and values; each serves several heads of queries.
    hidden: width of the MLP, whose first product is gated and so twice as wide.
    parameters: number of all parameters that have to be held, where a token uses only a part of them; 0 where it uses
        all.
    """

    history: int = 0
    kv_heads: int = 1
    hidden: int = 0
    parameters: float = 0

    def __post_init__(self) -> None:
        # super() is of the class before slots were added
        Workload.__post_init__(self)
        if self.hidden < 1 or self.kv_heads < 1 or self.dims.n_text_head % self.kv_heads:
            given = f"{self.hidden} wide MLP, {self.kv_heads} key heads for {self.dims.n_text_head} heads"
            raise InputError(f"{given}; expected an MLP, and a number of key heads that divides the heads")
        total = self.history + self.prompt_tokens + self.decode_tokens
        if self.history < 0 or total > self.dims.n_text_ctx:
            raise InputError(f"{total} tokens of history, prompt and text; expected 1 to {self.dims.n_text_ctx}")

    @property
    def samples(self) -> int:
        """Audio samples to send to the device: none."""
        return 0

    @property
    def weights_bytes(self) -> int:
        """Bytes of all parameters; the table of tokens, used at both ends, counts once."""
        used = sum(op.count * op.weight_bytes for op in self._pass("prefill", 1, 1, 1) if op.kind != "embedding")
        return round(max(used, self.parameters * ITEM_BYTES[self.weight_dtype]))

    @property
    def kv_bytes(self) -> int:
        """Bytes of cached keys and values of one stream at the end of the call."""
        keys = self.history + self.prompt_tokens + self.decode_tokens
        return 2 * self.dims.n_text_layer * keys * self._kv_width * ITEM_BYTES[self.dtype]

    @property
    def _kv_width(self) -> int:
        return self.dims.n_text_state // self.dims.n_text_head * self.kv_heads

    def ops(self) -> tuple[Op, ...]:
        """Return the operations of prompt and steps."""
        return self._pass("prefill", self.prompt_tokens, self.prompt_tokens, 1) + self.decode_ops()

    def decode_ops(self) -> tuple[Op, ...]:
        """Return the operations of all steps, at the mean number of keys."""
        keys = self.prompt_tokens + (self.decode_tokens + 1) / 2
        return self._pass("decode", self.pass_tokens, keys, self.decode_tokens) if self.decode_tokens else ()

    def step_ops(self, keys: int) -> tuple[Op, ...]:
        """Return the operations of one step that attends to the history and `keys` tokens."""
        return self._pass("decode", self.pass_tokens, keys, 1)

    def _pass(self, phase: str, rows: int, keys: float, times: int) -> tuple[Op, ...]:
        dims, size = self.dims, self.dims.n_text_state // self.dims.n_text_head
        build = OpBuilder(phase, self, dims.n_text_state, dims.n_text_head)
        keys += self.history
        d, kv, group = dims.n_text_state, self._kv_width, dims.n_text_head // self.kv_heads
        moved = build.size(rows) + 2 * build.size(keys, kv)
        flops = 4 * self.batch * rows * keys * d
        # the queries of a group of heads attend to the same keys, as more rows of one product
        shape = (self.batch, self.kv_heads, rows * group, keys, size)
        attend = build.op("attention", shape, moved, build.size(rows), flops)
        projections = [build.linear(rows, d, outputs, bias=False) for outputs in (d, kv, kv)]
        out = [build.linear(rows, d, d, bias=False), build.add(rows, build.size(rows))]
        up = build.linear(rows, d, 2 * self.hidden, bias=False)
        down = build.linear(rows, self.hidden, d, bias=False)
        gate = build.gelu((self.batch, rows, self.hidden))
        mlp = [*build.norm(rows), up, gate, down, build.add(rows, build.size(rows))]
        layer = [*build.norm(rows), *projections, attend, *out, *mlp]
        layers = [replace(op, count=times * dims.n_text_layer) for op in layer]
        ends = [*build.embed(rows)[:1], *build.norm(1), *build.logits(1)]
        first, *last = (replace(op, count=times) for op in ends)
        return (first, *layers, *last)


def _of(layers: int, width: int, heads: int, kv_heads: int, hidden: int, vocab: int, context: int) -> DecoderOnly:
    dims = Dimensions(1, 1500, width, heads, 0, vocab, context, width, heads, layers)
    return DecoderOnly(dims, prompt_tokens=1, kv_heads=kv_heads, hidden=hidden)


# Llama 2: arXiv 2307.09288 and the published configurations (hidden sizes 11008 and 28672, 32000 tokens). Llama 3 8B:
# arXiv 2407.21783, table 3. Mixtral 8x7B: arXiv 2401.04088, table 1: of 8 MLPs of 14336, 2 are used for a token;
# 46.7 G parameters in all.
MODELS = {
    "llama-2-7b": _of(32, 4096, 32, 32, 11008, 32000, 4096),
    "llama-2-70b": _of(80, 8192, 64, 8, 28672, 32000, 4096),
    "llama-3-8b": _of(32, 4096, 32, 8, 14336, 128256, 8192),
    "mixtral-8x7b": replace(_of(32, 4096, 32, 8, 2 * 14336, 32000, 32768), parameters=46.7e9),
    # Orpheus 3B, a Llama 3.2 3B (28 layers, 3072 wide, 24 and 8 heads, MLP 8192) with audio tokens
    "llama-3-3b": _of(28, 3072, 24, 8, 8192, 156940, 8192),
}


def decoder_only(name: str, prompt_tokens: int, decode_tokens: int, history: int = 0) -> DecoderOnly:
    """Return a call of the language model called `name` (see `MODELS`); `InputError` if it is not known."""
    if name not in MODELS:
        raise unknown("language model", name, MODELS)
    return replace(MODELS[name], prompt_tokens=prompt_tokens, decode_tokens=decode_tokens, history=history)
