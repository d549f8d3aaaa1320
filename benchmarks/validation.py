"""`earspan devices --validation`: errors on kernels held out, on published GPU runs by class, on LPU figures."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

from ..backends.devices.device import Device
from ..backends.devices.files import load_device
from ..backends.validation import lpu as lpu_validation
from ..backends.validation.check import Check
from ..backends.validation.gpu import BAND, end_to_end, scores
from .tables import show_table

# why a class of shapes is predicted badly, where it is known
_WHY = {
    "m 1-17, weights left in L2 by the collector": "on purpose: weights are priced from memory",
    "cache 1 MB to L2": "on purpose: keys and values are priced from memory; the collector leaves them in L2",
    "1500 positions, batch 1": "few waves: the library's choice of tiles jumps with the number of heads",
}
_BAD = 0.15


def show_validation(names: Sequence[str], *, as_json: bool) -> int:
    """Print the three tables, the first for the named devices."""
    devices = [load_device(name) for name in names]
    gpu, lpu = end_to_end(), lpu_validation.lpu_checks()
    if as_json:
        kernels = [{"device": device.name, **row} for device in devices for row in device.validation]
        by_class = [asdict(score) | {"met": score.met} for score in scores(gpu)]
        rows = {"end_to_end": list(map(_record, gpu)), "lpu": list(map(_record, lpu))}
        tables = {"kernels": kernels, "classes": by_class, **rows}
        print(json.dumps(tables, indent=2))
        return 0
    _show_kernels(devices)
    print()
    rows = [
        [s.name, str(s.n), str(s.fitted), f"{s.median:.1%}", _bar(s.bar, s.met), f"{s.worst:.0%}", s.worst_row, s.why]
        for s in scores(gpu)
    ]
    columns = ("class", "n>", "of which fitted on>", "median>", "bar", "worst>", "worst row", "why")
    show_table("GPU, class by class: |predicted / published - 1|", columns, rows)
    print()
    rows = [[c.name, c.backend, *_figures(c), c.fitted_on, c.reason, c.source] for c in gpu]
    columns = ("run", "timed as", *_FIGURES, "fitted on it", "why", "source")
    show_table(f"GPU, end to end: {_about(BAND)}", columns, rows)
    print()
    rows = [_lpu_class(name, checks) for name, checks in lpu_validation.lpu_classes().items()]
    columns = ("class", "n>", "median>", "bar", "worst>", "worst row", "why")
    show_table("LPU, class by class, inputs left out: |predicted / published - 1|", columns, rows)
    print()
    rows = [[c.name, *_figures(c), c.fitted_on, c.reason, c.source] for c in lpu]
    columns = ("figure", *_FIGURES, "input, not a test", "why", "source")
    show_table(f"LPU: {_about(lpu_validation.BAND)}", columns, rows)
    return 0


def _lpu_class(name: str, checks: Sequence[Check]) -> list[str]:
    tests = [check for check in checks if not check.fitted_on]
    middle = median(abs(check.ratio - 1) for check in tests)
    worst = max(tests, key=lambda check: abs(check.ratio - 1))
    met = _bar(lpu_validation.BAR, middle <= lpu_validation.BAR)
    return [name, str(len(tests)), f"{middle:.1%}", met, f"{abs(worst.ratio - 1):.0%}", worst.name, worst.reason]


def _show_kernels(devices: Sequence[Device]) -> None:
    rows = []
    for device in devices:
        for row in device.validation:
            bar = _bar(row.get("bar"), row["median"] <= row.get("bar", 0))
            why = _WHY.get(row["class"], "") if row["median"] > _BAD or row["p90"] > 2 * _BAD else ""
            errors = [str(row["held_out"]), f"{row['median']:.1%}", f"{row['p90']:.1%}"]
            rows.append([device.name, row["kernel"], row["class"], *errors, bar, why])
    title = "Kernels: |predicted / measured - 1| on shapes held out from the fit (benchmarks/calibrate_gpu.py)"
    show_table(title, ("device", "kernel", "shapes", "held out>", "median>", "p90>", "bar for the median", "why"), rows)
    unfitted = [device.name for device in devices if device.kind in ("gpu", "cpu") and not device.validation]
    if unfitted:
        print(f"\nNo public kernel table, so nothing to hold out (constants borrowed): {', '.join(unfitted)}")


def _bar(bar: float | None, met: bool | None) -> str:
    return "" if bar is None else f"{bar:.0%} {'met' if met else 'MISSED'}"


_FIGURES = ("predicted>", "published>", "unit", "ratio>", "in band")


def _figures(check: Check) -> list[str]:
    values = [f"{check.predicted:.4g}", f"{check.published:.4g}", check.unit, f"{check.ratio:.2f}"]
    return [*values, "yes" if check.in_band else "no"]


def _about(band: tuple[float, float]) -> str:
    return f"predicted / published ({band[0]:g} to {band[1]:g} is in band)"


def _record(check: Check) -> dict[str, object]:
    return {**asdict(check), "ratio": check.ratio, "in_band": check.in_band}
