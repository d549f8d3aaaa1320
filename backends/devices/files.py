"""Reads and checks device files; an error names the file, the line and the key."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import InputError, unknown
from ..reading import parse_toml, read_text
from .device import BASES, KINDS, UNITS, Device, Figure
from .kernels import KERNELS, Kernel, read_kernel

FOLDER = Path(__file__).parent

# the least and the most that a figure of a GPU, CPU or TPU can be, in base units: beyond it, the unit is wrong
PLAUSIBLE: dict[str, tuple[float, float]] = {
    "fp16_peak": (5e12, 2e16),
    "fp32_peak": (1e12, 5e14),
    "memory_bandwidth": (2e10, 4e13),
    "memory": (2**30, 2**40),
    "l2_cache": (2**19, 2**30),
    "processors": (1, 1024),
    "clock": (3e8, 4e9),
    "matrix_rate": (64, 65536),
    "host_bandwidth": (1e9, 1e12),
    "host_latency": (1e-7, 1e-3),
    "price": (0.01, 500),
    "power": (1, 20_000),
    "elementwise_floor": (1e-7, 1e-4),
    "graph_launch": (1e-7, 1e-3),
    "host_slowdown": (0.2, 20),
    "compute_capability": (6, 20),
    "tensor_rate": (0.1, 1),
    "sustained": (0.3, 1),
}
# a core of a processor has a thousandth of the arithmetic of a large accelerator, and takes as much longer to begin
_FEW_CORES = 1000
# a published peak is at a boost clock near the one given; the peak for sparse matrices is twice as high
_PEAK_OVER_CLOCK = (0.5, 1.4)


def device_names() -> list[str]:
    """Return the names of the devices that ship with Earspan, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_device(name_or_path: str) -> Device:
    """Return the device that ships under this name, or that of this `.toml` file; `InputError` if it is not valid."""
    if name_or_path.endswith(".toml"):
        return read_device(Path(name_or_path))
    if name_or_path not in device_names():
        raise unknown("device", name_or_path, device_names())
    return read_device(FOLDER / f"{name_or_path}.toml")


def read_device(path: Path, *, kernels: bool = True) -> Device:
    """Return the device of one file; `InputError` if it is not valid.

    kernels: False leaves out a GPU's kernel constants, for the calibration that is about to fit them.
    """
    return device_of(read_text(path, "a device file in TOML"), path, kernels=kernels)


def device_of(text: str, path: Path, *, kernels: bool = True) -> Device:
    """Return the device that the text of a device file describes; `path` names it. Raises `InputError`."""
    return _Reader(path, text).device(parse_toml(text, path), kernels)


_LARGEST = 1e30  # above anything that a figure can be, below what overflows


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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

    def device(self, data: dict[str, Any], kernels: bool) -> Device:
        title, kind, figures = data.pop("title", None), data.pop("kind", None), data.pop("figures", None)
        tables, borrowed, scores = data.pop("kernels", {}), data.pop("borrowed", {}), data.pop("validation", [])
        for key in data:
            raise self.error(key, "unknown key; expected title, kind and [figures]")
        if not isinstance(title, str):
            raise self.error("title", 'missing; write title = "maker and model"')
        if not isinstance(kind, str) or kind not in KINDS:
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
        device = Device(self.path.stem, title, kind, MappingProxyType(read))
        if kind == "lpu":
            return device
        for key, figure in read.items():
            self.plausible(key, figure, kind)
        if kind == "roofline":
            return device
        self.peaks(device)
        return self.with_kernels(device, tables, borrowed, scores) if kernels else device

    def plausible(self, key: str, figure: Figure, kind: str) -> None:
        low, high = PLAUSIBLE.get(key, (0, math.inf))
        if kind == "cpu":
            low, high = low / _FEW_CORES, high * _FEW_CORES
        if not low <= figure.base <= high:
            unit = UNITS[figure.quantity][figure.unit]
            expected = f"{low / unit:g} to {high / unit:g} {figure.unit}"
            raise self.error(
                key, f"{figure.value:g} {figure.unit} is not possible; expected {expected}; check the unit"
            )

    def peaks(self, device: Device) -> None:
        rate = device["processors"] * device["clock"] * device["matrix_rate"]
        low, high = _PEAK_OVER_CLOCK
        if not low <= device["fp16_peak"] / rate <= high:
            given, expected = device["fp16_peak"] / 1e12, rate / 1e12
            why = "processors x clock x matrix_rate make it"
            hint = "; this looks like the peak for sparse matrices" if given > expected else ""
            raise self.error("fp16_peak", f"{given:g} TFLOP/s given as dense, but {why} {expected:.0f}{hint}")
        if device["fp32_peak"] > device["fp16_peak"]:
            raise self.error("fp32_peak", "above fp16_peak; expected the peak of the plain fp32 units")

    def with_kernels(self, device: Device, tables: Any, borrowed: Any, scores: Any) -> Device:
        for key, given, kind, expected in (
            ("kernels", tables, dict, "[kernels]"),
            ("borrowed", borrowed, dict, "[borrowed]"),
            ("validation", scores, list, "[validation] as a list of tables"),
        ):
            if not isinstance(given, kind):
                raise self.error(key, f"{given!r} given; expected {expected}")
        kernels, shares = {}, {}
        for name in KERNELS:
            if (name in tables) == (name in borrowed):
                raise self.error(f"kernels.{name}", f"expected either [kernels.{name}] or {name} in [borrowed]")
            if name in tables:
                kernels[name], shares[name] = self.kernel(name, tables[name]), 1.0
            else:
                kernels[name], shares[name] = self.borrow(name, borrowed[name], device["processors"])
        for row in scores:
            if not isinstance(row, dict):
                raise self.error("validation", f"{row!r} given; expected a table")
            if missing := sorted({"kernel", "class", "held_out", "median", "p90"} - row.keys()):
                raise self.error("validation", f"{missing[0]} is missing")
        rows = tuple(MappingProxyType(row) for row in scores)
        return replace(device, kernels=MappingProxyType(kernels), shares=MappingProxyType(shares), validation=rows)

    def kernel(self, name: str, table: Any) -> Kernel:
        if not isinstance(table, dict):
            raise self.error(f"kernels.{name}", "expected a table")
        if table.get("basis") not in BASES:
            raise self.error(f"kernels.{name}", f"basis is {table.get('basis')!r}; expected one of {', '.join(BASES)}")
        try:
            return read_kernel(table)
        except ValueError as error:
            raise self.error(f"kernels.{name}", str(error)) from error

    def borrow(self, name: str, entry: Any, processors: float) -> tuple[Kernel, float]:
        if not (isinstance(entry, dict) and entry.keys() == {"device", "reason"}):
            raise self.error(name, "expected { device = ..., reason = ... }")
        if entry["device"] not in device_names():
            raise self.error(name, str(unknown("device", str(entry["device"]), device_names())))
        lender = load_device(entry["device"])
        kernel = lender.kernels.get(name)
        if kernel is None or lender.shares[name] != 1:
            raise self.error(name, f"{entry['device']} has no fitted kernel of this name")
        source = f"borrowed from {entry['device']}: {entry['reason']}"
        return replace(kernel, basis="estimate", source=source), processors / lender["processors"]

    def figure(self, key: str, entry: Any, quantity: str) -> Figure:
        if not isinstance(entry, dict):
            raise self.error(key, "expected { value = ..., unit = ..., basis = ..., source = ... }")
        fields = {"value", "unit", "basis", "source"} | ({"density"} if quantity == "arithmetic" else set())
        for name in sorted(entry.keys() - fields - {"range"}):
            raise self.error(key, f"unknown field {name!r}; expected {', '.join(sorted(fields))}")
        for name in sorted(fields - entry.keys()):
            raise self.error(key, f"{name} is missing")
        value, unit = entry["value"], entry["unit"]
        if not _is_number(value) or not 0 < value <= _LARGEST:
            raise self.error(key, f"value is {value!r}; expected a positive number")
        if not isinstance(unit, str) or unit not in UNITS[quantity]:
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
            isinstance(bounds, list)
            and len(bounds) == 2
            and all(map(_is_number, bounds))
            and 0 <= bounds[0] <= value <= bounds[1] <= _LARGEST
        ):
            raise self.error(key, f"range is {bounds!r}; expected [least, largest] around {value:g}")
        span = (float(bounds[0]), float(bounds[1])) if bounds else None
        return Figure(float(value), unit, quantity, entry["basis"], entry["source"], entry.get("density", ""), span)
