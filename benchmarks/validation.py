"""`earspan devices --validation`: errors on measured kernels held out, and on published end-to-end figures."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from ..backends.device import load_device
from ..backends.validation import BAND, end_to_end
from .tables import show_table

# why a class of shapes is predicted badly, where it is known
_WHY = {
    "m 1-17, weights left in L2 by the collector": "on purpose: weights are priced from memory",
    "cache 1 MB to L2": "on purpose: keys and values are priced from memory; the collector leaves them in L2",
    "1500 positions, batch 1": "few waves: the library's choice of tiles jumps with the number of heads",
}
_BAD = 0.15


def show_validation(names: Sequence[str], *, as_json: bool) -> int:
    """Print both tables, the first for the named devices."""
    devices = [load_device(name) for name in names]
    checks = end_to_end()
    if as_json:
        kernels = [{"device": device.name, **row} for device in devices for row in device.validation]
        print(
            json.dumps({"kernels": kernels, "end_to_end": [asdict(c) | {"ratio": c.ratio} for c in checks]}, indent=2)
        )
        return 0
    rows = []
    for device in devices:
        for row in device.validation:
            bar = f"{row['bar']:.0%} {'met' if row['median'] <= row['bar'] else 'MISSED'}" if "bar" in row else ""
            why = _WHY.get(row["class"], "") if row["median"] > _BAD or row["p90"] > 2 * _BAD else ""
            errors = [str(row["held_out"]), f"{row['median']:.1%}", f"{row['p90']:.1%}"]
            rows.append([device.name, row["kernel"], row["class"], *errors, bar, why])
    title = "Kernels: |predicted / measured - 1| on shapes held out from the fit (benchmarks/calibrate_gpu.py)"
    show_table(title, ("device", "kernel", "shapes", "held out>", "median>", "p90>", "bar for the median", "why"), rows)
    unfitted = [device.name for device in devices if device.kind == "gpu" and not device.validation]
    if unfitted:
        print(f"\nNo public kernel table, so nothing to hold out (constants borrowed): {', '.join(unfitted)}")
    print()
    table = []
    for c in checks:
        values = [f"{c.predicted:.4g}", f"{c.published:.4g}", c.unit, f"{c.ratio:.2f}"]
        table.append([c.name, c.backend, *values, "yes" if c.in_band else "no", c.reason, c.source])
    columns = ("run", "timed as", "predicted>", "published>", "unit", "ratio>", "in band", "why", "source")
    show_table(f"End to end: predicted / published ({BAND[0]:g} to {BAND[1]:g} is in band)", columns, table)
    return 0
