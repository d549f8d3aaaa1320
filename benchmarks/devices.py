"""`earspan devices`: the devices that can be simulated, and every number that is used for one."""

import argparse
import json
from dataclasses import asdict

from ..backends.devices.device import Device
from ..backends.devices.files import device_names, load_device
from ..backends.gpu.runtimes import DEFAULT, RUNTIMES
from .tables import show_table
from .validation import show_validation

HELP = "list devices, or every figure of one with its source"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan devices`."""
    parser.add_argument("name", nargs="?", help="a device, or the path of a device file (.toml)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--validation", action="store_true", help="print how far the models are off measured kernels and published runs"
    )


def run(args: argparse.Namespace) -> int:
    """Print the table of devices, or all figures of the one that is named."""
    if args.validation:
        return show_validation([args.name] if args.name else device_names(), as_json=args.json)
    if args.name is not None:
        device = load_device(args.name)
        _print_json(_record(device)) if args.json else _show(device)
        return 0
    devices = [load_device(name) for name in device_names()]
    if args.json:
        _print_json([_record(device) for device in devices])
        return 0
    columns = (
        "name",
        "kind",
        "device",
        "fp16 peak (dense)>",
        "memory>",
        "bandwidth>",
        "USD/h>",
        "timing figures",
    )
    show_table("Devices (fp16; bandwidth of the memory that holds the weights)", columns, map(_row, devices))
    print("\nA GPU takes a runtime and how weights are stored (int8enc, int8dec: of one half only): h100-trtllm-int8")
    rows = [[f"{one.name} (default)" if one.name == DEFAULT else one.name, one.about, one.fitted_on]
            for one in RUNTIMES.values()]  # fmt: skip
    show_table("Runtimes of GPUs", ("runtime", "what it is", "host costs are from"), rows)
    print("\nAn LPU takes a number of chips: groq-v1x16. For every figure and its source: earspan devices NAME")
    return 0


def _record(device: Device) -> dict[str, object]:
    figures = {key: asdict(figure) for key, figure in device.figures.items()}
    kernels = {key: {"basis": kernel.basis, "source": kernel.source} for key, kernel in device.kernels.items()}
    head = {"name": device.name, "title": device.title, "kind": device.kind}
    return {**head, "figures": figures, "kernels": kernels, "validation": [dict(row) for row in device.validation]}


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def _row(device: Device) -> list[str]:
    price = f"{device['price']:.2f}" if "price" in device.figures else "-"
    if device.kind != "lpu":
        peak, memory, bandwidth = device["fp16_peak"], device["memory"], device["memory_bandwidth"]
        basis = device.basis(*device.kernels) if device.kernels else "roofline only"
    else:
        clock = device["clock"]
        peak = 2 * device["matrix_depth"] * device["matrix_width"] * device["matrix_units"] * clock
        memory, bandwidth, basis = device["sram_usable"], device["weight_load"] * clock, "estimate"
    sizes = [f"{peak / 1e12:.0f} TFLOP/s", f"{memory / 1e9:.1f} GB", f"{bandwidth / 1e9:,.0f} GB/s"]
    return [device.name, device.kind, device.title, *sizes, price, basis]


def _show(device: Device) -> None:
    rows = [
        [key, f"{figure.value:g}", figure.unit, figure.density, figure.basis, figure.source]
        for key, figure in device.figures.items()
    ]
    for key, kernel in device.kernels.items():
        rows.append([f"kernel {key}", f"{kernel.floor_s * 1e6:g}", "us floor", "", kernel.basis, kernel.source])
    show_table(device.title, ("figure", "value>", "unit", "density", "basis", "source"), rows)
