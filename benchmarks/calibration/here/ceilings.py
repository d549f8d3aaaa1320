"""What this machine can do at best, piece by piece, and the simulated device that follows from it alone.

Nothing of Whisper is timed here: products of square matrices by their number of rows, weights and keys streamed from
memory, attention, the smallest operations, and the host's choice of a token among random logits. So what the device
models predict of Whisper from these pieces can be held against Whisper measured.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from whisper.tokenizer import get_tokenizer

from ....backends.devices.device import Device
from ....backends.devices.files import device_of
from ....backends.measured.profile import cpu_name
from ....speech.asr.decoding.rules import Rules, Written
from ....speech.asr.encoder import pack_for_few, product_for

ROWS = (1, 2, 4, 8, 32, 256, 2048)
FEW = 16  # rows up to which products are those of a decoder: for more, the engine takes oneDNN's
WIDTH = 1024
STREAMED = 32  # matrices: 128 MiB, more than the caches hold
HEADS, KEYS = 8, 1024  # of attention
SMALL_OPS = 200
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What was measured, medians.

    product_s: seconds of a product of `ROWS` rows with WIDTH x WIDTH weights: up to `FEW` rows from memory, for more
        used again and again.
    weights_bytes_per_s: of a product of one row with weights from memory.
    keys_bytes_per_s: of attention of one query for each head, with keys and values from memory.
    copy_bytes_per_s: of a copy in memory, read and written.
    attention_flop_per_s: of attention of as many queries as keys.
    small_product_s, small_op_s: seconds of the smallest product, and of the smallest operation beside it.
    choose_s: seconds of choosing a token.
    """

    product_s: tuple[float, ...]
    weights_bytes_per_s: float
    keys_bytes_per_s: float
    copy_bytes_per_s: float
    attention_flop_per_s: float
    small_product_s: float
    small_op_s: float
    choose_s: float

    @property
    def peak_flop_per_s(self) -> float:
        """The highest rate of a product."""
        return max(2 * rows * WIDTH**2 / took_s for rows, took_s in zip(ROWS, self.product_s, strict=True))

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """The highest rate at which memory was read, or read and written."""
        return max(self.weights_bytes_per_s, self.keys_bytes_per_s, self.copy_bytes_per_s)


def median_of(found: Iterable[Ceilings]) -> Ceilings:
    """Return the ceilings each of which is the median of those found."""
    found = list(found)
    products = zip(*(one.product_s for one in found), strict=True)
    rest = {field.name: statistics.median(getattr(one, field.name) for one in found) for field in fields(Ceilings)[1:]}
    return Ceilings(tuple(map(statistics.median, products)), **rest)


class Pieces:
    """Operands of everything that is measured, made once."""

    def __init__(self, vocabulary: int = 51864) -> None:
        self.weights = [torch.randn(WIDTH, WIDTH) for _ in range(STREAMED)]
        self.bias, self.small = torch.randn(WIDTH), torch.randn(64)
        self.few = [pack_for_few(each) for each in self.weights]
        many = product_for(self.weights[0])
        self.many = [lambda x: many(x, self.weights[0], self.bias)]
        self.smallest = pack_for_few(torch.randn(64, 64))
        self.rows = {rows: torch.randn(rows, WIDTH) for rows in ROWS}
        self.keys = [torch.randn(1, HEADS, KEYS, 64) for _ in range(2 * STREAMED)]
        self.long, self.copied = torch.randn(STREAMED << 18), torch.empty(STREAMED << 18)
        self.logits = torch.randn(1, vocabulary)
        self.rules = Rules(get_tokenizer(vocabulary >= 51865, language="en"), True, "-1", True)

    @torch.inference_mode()
    def measure(self) -> Ceilings:
        """Return what everything takes now: a fraction of a second."""
        small = {n: self.small[:n] for n in (8, 64)}
        products = []
        for rows, x in self.rows.items():
            # few rows are a decoder's, which reads all of its weights from memory, most of them those of its tokens;
            # of many, weights are the least
            with_each = self.few if rows <= FEW else self.many
            took_s = _median_s(lambda x=x, with_each=with_each: [product(x) for product in with_each])
            products.append(took_s / len(with_each))
        query, queries = self.keys[0][:, :, :1], self.keys[0]
        keys_s = _median_s(lambda: [F.scaled_dot_product_attention(query, each, each) for each in self.keys])
        copy_s = _median_s(lambda: self.copied.copy_(self.long))
        attention_s = _median_s(lambda: F.scaled_dot_product_attention(queries, queries, queries))
        choose_s = _median_s(lambda: self.rules.decide(self.logits.clone(), [Written(5, latest=9)], [None]))
        return Ceilings(
            product_s=tuple(products),
            weights_bytes_per_s=self.weights[0].nbytes / products[ROWS.index(1)],
            keys_bytes_per_s=sum(each.nbytes for each in self.keys) / keys_s,
            copy_bytes_per_s=2 * self.long.nbytes / copy_s,
            attention_flop_per_s=4 * HEADS * KEYS**2 * 64 / attention_s,
            small_product_s=_median_s(lambda: _repeat(lambda: self.smallest(small[64]))) / SMALL_OPS,
            small_op_s=_median_s(lambda: _repeat(lambda: small[8].add(1.0))) / SMALL_OPS,
            choose_s=choose_s,
        )


def _repeat(task: Callable[[], object]) -> None:
    for _ in range(SMALL_OPS):
        task()


def _median_s(task: Callable[[], object]) -> float:
    task()
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        task()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def simulated(ceilings: Ceilings, threads: int) -> Device:
    """Return this machine as a simulated device: its ceilings as the figures of a device file."""
    return device_of(device_file(ceilings, threads), Path("this-machine.toml"))


def device_file(ceilings: Ceilings, threads: int) -> str:
    """Return the device file (TOML) of a machine with these ceilings, on which a call runs on so many threads."""
    peak, bandwidth = ceilings.peak_flop_per_s, ceilings.bandwidth_bytes_per_s
    floor_s = ceilings.small_product_s
    took = np.maximum.accumulate(np.maximum(np.array(ceilings.product_s) - floor_s, 1e-9))  # more rows, no less time
    slower = np.maximum(took * peak / (2 * np.array(ROWS) * WIDTH**2), 1.0)
    clock = 2e9  # any: only its product with the next figure counts
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    measured = {
        "fp16_peak": (peak / 1e9, "GFLOP/s", "as fp32: products in half precision were not measured"),
        "fp32_peak": (peak / 1e9, "GFLOP/s", f"fastest of products with {WIDTH} x {WIDTH} weights"),
        "memory_bandwidth": (bandwidth / 1e9, "GB/s", "fastest of copy, weights and keys, 128 MiB"),
        "memory": (memory / 2**30, "GiB", "as the system says"),
        "l2_cache": (1, "MiB", "not used"),
        "processors": (threads, "1", "threads of a call"),
        "clock": (clock / 1e6, "MHz", "any: only its product with matrix_rate counts"),
        "matrix_rate": (peak / clock / threads, "1", "peak over threads and that clock"),
        "host_bandwidth": (bandwidth / 1e9, "GB/s", "the audio is in its own memory"),
        "host_latency": (1, "us", "assumed: a function call"),
        "memory_efficiency": (min(1.0, ceilings.copy_bytes_per_s / bandwidth), "1", "copy of 32 MiB over bandwidth"),
        "elementwise_floor": (ceilings.small_op_s * 1e6, "us", f"sum of 8 numbers, mean of {SMALL_OPS}"),
        "graph_launch": (0.1, "us", "assumed: nothing is launched"),
        "host_slowdown": (ceilings.choose_s * 1e3, "1", "choosing a token among random logits, over 1 ms"),
    }
    lines = [f'title = "{(cpu_name() or "this machine").replace(chr(34), "")}, {threads} threads"', 'kind = "cpu"', ""]
    lines.append("[figures]")
    for key, (value, unit, source) in measured.items():
        dense = ', density = "dense"' if unit == "GFLOP/s" else ""
        basis = "estimate" if source.startswith(("assumed", "any", "not used", "as fp32")) else "measured"
        about = f'basis = "{basis}", source = "{source}"'
        lines.append(f'{key} = {{ value = {value:.6g}, unit = "{unit}"{dense}, {about} }}')
    kernels = {
        "gemm": {"compute": (list(ROWS), slower.tolist()),
                 "memory": ([1], [max(1.0, bandwidth / ceilings.weights_bytes_per_s)])},
        "context": {"compute": ([1], [max(1.0, peak / ceilings.attention_flop_per_s)])},
        "decode": {"memory": ([1], [max(1.0, bandwidth / ceilings.keys_bytes_per_s)])},
    }  # fmt: skip
    for name, factors in kernels.items():
        lines += ["", f"[kernels.{name}]", 'basis = "measured"', 'source = "this machine, no part of Whisper"']
        lines += [f"floor_us = {floor_s * 1e6:.4g}", "order = 20"]  # a core computes while it reads: the longer counts
        for factor, (x, values) in factors.items():
            lines += ["", f"[kernels.{name}.{factor}]", f"x = {x}", f"factor = {[round(v, 4) for v in values]}"]
    return "\n".join(lines) + "\n"
