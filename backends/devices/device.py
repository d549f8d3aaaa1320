"""A device is data: a TOML file in which every number has its unit, its source and its basis.

    title = "NVIDIA L4"
    kind = "gpu"

    [figures]
    fp16_peak = { value = 121, unit = "TFLOP/s", density = "dense", basis = "published", source = "..." }

`basis` is "published", "fitted" (to published measurements), "measured" or "estimate". A peak says that it is
"dense"; the doubled figures for structured sparsity are refused. What is not known is left out. An assumption may
have a `range`, the least and the largest value that are plausible (see `backends.validation.sensitivity`).

Below its figures a GPU has the fitted constants of its kernels, [kernels.NAME], and their errors, [[validation]], both
written by the calibration in benchmarks/; or it says whose it borrows, which makes them an estimate:

    [borrowed]
    gemm = { device = "l40s", reason = "..." }
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .kernels import Kernel

BASES = ("published", "fitted", "measured", "estimate")

# by quantity and unit: how much of the base unit it is
UNITS: dict[str, dict[str, float]] = {
    "arithmetic": {"GFLOP/s": 1e9, "TFLOP/s": 1e12, "PFLOP/s": 1e15},
    "bandwidth": {"GB/s": 1e9, "TB/s": 1e12},
    "memory": {"MB": 1e6, "GB": 1e9, "MiB": 2**20, "GiB": 2**30},
    "time": {"ns": 1e-9, "us": 1e-6, "ms": 1e-3},
    "frequency": {"MHz": 1e6, "GHz": 1e9},
    "cycles": {"cycles": 1},
    "bytes per cycle": {"B/cycle": 1},
    "price": {"USD/h": 1},
    "power": {"W": 1},
    "count": {"1": 1},
    "fraction": {"1": 1},
    "ratio": {"1": 1},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of device.

    figures: which figures it has, each with the quantity it measures (a key of `UNITS`).
    optional: those of them that a file may leave out.
    """

    figures: Mapping[str, str]
    optional: frozenset[str]


_PROCESSOR = Kind(
    {
        "fp16_peak": "arithmetic",
        "fp32_peak": "arithmetic",
        "memory_bandwidth": "bandwidth",
        "memory": "memory",
        "l2_cache": "memory",
        "processors": "count",
        "clock": "frequency",
        "matrix_rate": "count",
        "host_bandwidth": "bandwidth",
        "host_latency": "time",
        "price": "price",
        "power": "power",
        "memory_efficiency": "fraction",
        "elementwise_floor": "time",
        "graph_launch": "time",
        "host_slowdown": "ratio",
        "compute_capability": "count",
        "tensor_rate": "fraction",
        "sustained": "fraction",
    },
    frozenset({"price", "power", "tensor_rate", "sustained", "compute_capability"}),
)
KINDS = {
    "gpu": _PROCESSOR,
    # kernels, launches and memory of a CPU are of the same kinds; a launch is a barrier of its threads
    "cpu": _PROCESSOR,
    "roofline": Kind(
        {"fp16_peak": "arithmetic", "memory_bandwidth": "bandwidth", "memory": "memory", "price": "price"},
        frozenset({"price"}),
    ),
    "lpu": Kind(
        {
            "clock": "frequency",
            "sram": "memory",
            "sram_usable": "memory",
            "matrix_depth": "count",
            "matrix_width": "count",
            "matrix_units": "count",
            "weight_load": "bytes per cycle",
            "matrix_depth_int8": "count",
            "matrix_units_int8": "count",
            "matrix_depth_fp8": "count",
            "matrix_units_fp8": "count",
            "convert_steps": "cycles",
            "sram_packed": "memory",
            "sram_bandwidth": "bytes per cycle",
            "vector_lanes": "count",
            "vector_alus": "count",
            "switch_bandwidth": "bytes per cycle",
            "stagger": "cycles",
            "hops_matrix": "cycles",
            "hops_vector": "cycles",
            "delay_matrix": "cycles",
            "delay_vector": "cycles",
            "chips_per_node": "count",
            "hop": "time",
            "link_bandwidth": "bandwidth",
            "global_bandwidth": "bandwidth",
            "host_bandwidth": "bandwidth",
            "host_latency": "time",
            "partner_bandwidth": "bandwidth",
            "partner_latency": "time",
            "price": "price",
            "power": "power",
        },
        frozenset(
            {
                "price",
                "power",
                "sram",
                "partner_bandwidth",
                "partner_latency",
                "sram_bandwidth",
                "matrix_depth_int8",
                "matrix_units_int8",
                "matrix_depth_fp8",
                "matrix_units_fp8",
                "convert_steps",
                "sram_packed",
                "global_bandwidth",
            }
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a device file.

    value, unit: as written. quantity: what the unit measures, a key of `UNITS`.
    basis: one of `BASES`. source: where the number is from.
    density: "dense" for a peak of arithmetic, else "".
    range: of an assumption, the least and the largest value that are plausible, in the same unit.
    """

    value: float
    unit: str
    quantity: str
    basis: str
    source: str
    density: str = ""
    range: tuple[float, float] | None = None

    @property
    def base(self) -> float:
        """The value in the base unit: FLOP/s, bytes/s, bytes, seconds, Hz, cycles, USD/h, W, or as a plain number."""
        return self.value * UNITS[self.quantity][self.unit]


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of one device; `device["key"]` is a figure in base units.

    name: that of its file. title: maker and model. kind: a key of `KINDS`.
    figures: by key, as its kind has them.
    kernels: of a GPU or CPU, how long its kernels take, by the names in `kernels.KERNELS`.
    shares: by kernel, processors of this device over those of the device from which the constants are.
    validation: rows that say how far the kernels' predictions are off on measurements that were held out.
    """

    name: str
    title: str
    kind: str
    figures: Mapping[str, Figure]
    kernels: Mapping[str, Kernel] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    validation: tuple[Mapping[str, Any], ...] = ()

    def __getitem__(self, key: str) -> float:
        return self.figures[key].base

    def get(self, key: str, default: float) -> float:
        """Return a figure in base units, or `default` if the file leaves it out."""
        return self.figures[key].base if key in self.figures else default

    def basis(self, *keys: str) -> str:
        """Return the weakest basis among these figures or kernels: estimate, else fitted, published, measured."""
        strength = ("estimate", "fitted", "published", "measured")
        return min(((self.kernels.get(key) or self.figures[key]).basis for key in keys), key=strength.index)
