"""A device is data: a TOML file in which each number carries its unit, its source and what it rests on.

    title = "NVIDIA L4"
    kind = "gpu"

    [figures]
    fp16_peak = { value = 121, unit = "TFLOP/s", density = "dense", basis = "published", source = "..." }

`basis` is "published", "fitted" (to published measurements), "measured" or "estimate". A peak says that it is
"dense"; the doubled figures for structured sparsity are refused. What is not known is left out.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import InputError, unknown

FOLDER = Path(__file__).parent / "devices"
BASES = ("published", "fitted", "measured", "estimate")

# quantity -> unit -> how much of the base unit it is
UNITS: dict[str, dict[str, float]] = {
    "arithmetic": {"GFLOP/s": 1e9, "TFLOP/s": 1e12, "PFLOP/s": 1e15},
    "bandwidth": {"GB/s": 1e9, "TB/s": 1e12},
    "memory": {"MB": 1e6, "GB": 1e9, "MiB": 2**20, "GiB": 2**30},
    "time": {"ns": 1e-9, "us": 1e-6, "ms": 1e-3},
    "frequency": {"MHz": 1e6, "GHz": 1e9},
    "cycles": {"cycles": 1},
    "bytes per cycle": {"B/cycle": 1},
    "price": {"USD/h": 1},
    "count": {"1": 1},
    "fraction": {"1": 1},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of device: which figures it may have, of which quantity, and which of them it must have."""

    figures: Mapping[str, str]
    optional: frozenset[str]


KINDS = {
    "gpu": Kind(
        {
            "fp16_peak": "arithmetic",
            "fp32_peak": "arithmetic",
            "memory_bandwidth": "bandwidth",
            "memory": "memory",
            "host_bandwidth": "bandwidth",
            "host_latency": "time",
            "price": "price",
            "gemm_floor": "time",
            "gemm_compute_efficiency": "fraction",
            "gemm_memory_efficiency": "fraction",
            "gemm_softmax_order": "count",
            "encoder_attention_floor": "time",
            "encoder_attention_efficiency": "fraction",
            "decoder_attention_floor": "time",
            "decoder_attention_head_bandwidth": "bandwidth",
            "elementwise_floor": "time",
            "elementwise_efficiency": "fraction",
            "graph_launch": "time",
            "eager_launch": "time",
        },
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
            "host_bandwidth": "bandwidth",
            "host_latency": "time",
            "partner_bandwidth": "bandwidth",
            "partner_latency": "time",
            "price": "price",
        },
        frozenset(
            {
                "price",
                "sram",
                "partner_bandwidth",
                "partner_latency",
                "sram_bandwidth",
                "matrix_depth_int8",
                "matrix_units_int8",
            }
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number as its file gives it: value and unit as written, `quantity` which the unit must measure.

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
        """The value in FLOP/s, bytes/s, bytes, seconds, Hz, cycles, USD/h or as a plain number."""
        return self.value * UNITS[self.quantity][self.unit]


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of one device. `device["key"]` is a figure in base units."""

    name: str
    title: str
    kind: str
    figures: Mapping[str, Figure]

    def __getitem__(self, key: str) -> float:
        return self.figures[key].base

    def basis(self, *keys: str) -> str:
        """The weakest basis among these figures: "estimate" before "fitted", "published", "measured"."""
        strength = ("estimate", "fitted", "published", "measured")
        return min((self.figures[key].basis for key in keys), key=strength.index)


def device_names() -> list[str]:
    """Names of the devices that ship with Earspan, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_device(name_or_path: str) -> Device:
    """The device that ships under this name, or that of this `.toml` file; `InputError` if not valid."""
    if name_or_path.endswith(".toml"):
        return read_device(Path(name_or_path))
    if name_or_path not in device_names():
        raise unknown("device", name_or_path, device_names())
    return read_device(FOLDER / f"{name_or_path}.toml")


def read_device(path: Path) -> Device:
    """Read and check one device file. Errors name the file, the line and the key."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"cannot read device file {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error
    return _Reader(path, text).device(data)


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path
    text: str

    def error(self, key: str, problem: str) -> InputError:
        lines = self.text.splitlines()
        starts = (
            n for n, line in enumerate(lines, 1) if line.strip(" [").split(" ")[0].split("=")[0].rstrip("]") == key
        )
        return InputError(f"{self.path}, line {next(starts, 1)}: {key}: {problem}")

    def device(self, data: dict[str, Any]) -> Device:
        title, kind, figures = data.pop("title", None), data.pop("kind", None), data.pop("figures", None)
        for key in data:
            raise self.error(key, "unknown key; expected title, kind and [figures]")
        if not isinstance(title, str):
            raise self.error("title", 'missing; write title = "maker and model"')
        if kind not in KINDS:
            raise self.error("kind", f"{kind!r} given; expected one of {', '.join(KINDS)}")
        if not isinstance(figures, dict):
            raise self.error("figures", "missing; expected a [figures] table")
        known = KINDS[kind]
        for key in figures:
            if key not in known.figures:
                raise self.error(key, str(unknown("figure", key, known.figures)))
        for key in known.figures.keys() - known.optional - figures.keys():
            raise self.error(key, f"missing; a {kind} needs it in [figures]")
        read = {key: self.figure(key, figures[key], known.figures[key]) for key in known.figures if key in figures}
        return Device(self.path.stem, title, kind, MappingProxyType(read))

    def figure(self, key: str, entry: Any, quantity: str) -> Figure:
        if not isinstance(entry, dict):
            raise self.error(key, "expected { value = ..., unit = ..., basis = ..., source = ... }")
        fields = {"value", "unit", "basis", "source"} | ({"density"} if quantity == "arithmetic" else set())
        for name in sorted(entry.keys() - fields - {"range"}):
            raise self.error(key, f"unknown field {name!r}; expected {', '.join(sorted(fields))}")
        for name in sorted(fields - entry.keys()):
            raise self.error(key, f"{name} is missing")
        value, unit = entry["value"], entry["unit"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise self.error(key, f"value is {value!r}; expected a positive number")
        if unit not in UNITS[quantity]:
            raise self.error(key, f"unit is {unit!r}; expected {' or '.join(UNITS[quantity])}")
        if quantity == "fraction" and value > 1:
            raise self.error(key, f"value is {value!r}; an efficiency is at most 1")
        if quantity == "count" and value < 1:
            raise self.error(key, f"value is {value!r}; expected at least 1")
        if entry["basis"] not in BASES:
            raise self.error(key, f"basis is {entry['basis']!r}; expected one of {', '.join(BASES)}")
        if not isinstance(entry["source"], str) or not entry["source"].strip():
            raise self.error(key, "source is empty; say where the number is from")
        if entry.get("density", "dense") != "dense":
            raise self.error(key, f'density is {entry["density"]!r}; give the dense peak and density = "dense"')
        bounds = entry.get("range")
        if bounds is not None and not (
            isinstance(bounds, list) and len(bounds) == 2 and bounds[0] <= value <= bounds[1]
        ):
            raise self.error(key, f"range is {bounds!r}; expected [least, largest] around {value:g}")
        span = (float(bounds[0]), float(bounds[1])) if bounds else None
        return Figure(float(value), unit, quantity, entry["basis"], entry["source"], entry.get("density", ""), span)
