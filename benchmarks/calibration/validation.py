"""How far predictions are off: kernels held out of the fit, published GPU runs by class, published LPU figures."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from ...backends.devices.files import load_device
from ...backends.validation import lpu as lpu_validation
from ...backends.validation.check import Check
from ...backends.validation.gpu import BAND, end_to_end, scores
from ..report.terminal import show_table

# why a class of shapes is predicted badly, where it is known
_WHY = {
    "m 1-17, weights left in L2 by the collector": "on purpose: weights are priced from memory",
    "cache 1 MB to L2": "on purpose: keys and values are priced from memory; the collector leaves them in L2",
    "1500 positions, batch 1": "few waves: the library's choice of tiles jumps with the number of heads",
}
_BAD = 0.15
_FIGURES = ("predicted>", "published>", "unit", "ratio>", "in band")


@dataclass(frozen=True, slots=True)
class KernelError:
    """Errors of one class of shapes of one kernel, |predicted / measured - 1|, on shapes held out of the fit.

    median, p90: over the shapes. bar: for the median; None for a part of all shapes.
    """

    device: str
    kernel: str
    shapes: str
    held_out: int
    median: float
    p90: float
    bar: float | None

    @property
    def why(self) -> str:
        """Why it is large; empty where it is not, or where that is not known."""
        return _WHY.get(self.shapes, "") if self.median > _BAD or self.p90 > 2 * _BAD else ""


def validation_rows(names: Sequence[str]) -> list[KernelError]:
    """Return the errors on kernels held out, as the device files have them. Raises `InputError` for unknown devices."""
    return [
        KernelError(
            device.name, row["kernel"], row["class"], row["held_out"], row["median"], row["p90"], row.get("bar")
        )
        for device in map(load_device, names)
        for row in device.validation
    ]


def show_validation(names: Sequence[str], *, as_json: bool) -> int:
    """Print kernel errors of the named devices, GPU runs by class and one by one, and LPU figures likewise."""
    kernels, gpu, lpu = validation_rows(names), end_to_end(), lpu_validation.lpu_checks()
    if as_json:
        tables = {
            "kernels": [_kernel_record(error) for error in kernels],
            "classes": [asdict(score) | {"met": score.met} for score in scores(gpu)],
            "end_to_end": [_check_record(check) for check in gpu],
            "lpu": [_check_record(check) for check in lpu],
        }
        print(json.dumps(tables, indent=2))
        return 0
    _show_kernels(kernels, names)
    rows = [
        [
            s.name,
            str(s.n),
            str(s.fitted),
            f"{s.median:.1%}",
            _bar(s.bar, s.median),
            f"{s.worst:.0%}",
            s.worst_row,
            s.why,
        ]
        for s in scores(gpu)
    ]
    columns = ("class", "n>", "of which fitted on>", "median>", "bar", "worst>", "worst row", "why")
    _show_next("GPU, class by class: |predicted / published - 1|", columns, rows)
    rows = [[c.name, c.backend, *_figures(c), c.fitted_on, c.reason, c.source] for c in gpu]
    columns = ("run", "timed as", *_FIGURES, "fitted on it", "why", "source")
    _show_next(f"GPU, end to end: {_about(BAND)}", columns, rows)
    rows = [_lpu_class(name, checks) for name, checks in lpu_validation.lpu_classes().items()]
    columns = ("class", "n>", "median>", "bar", "worst>", "worst row", "why")
    _show_next("LPU, class by class, inputs left out: |predicted / published - 1|", columns, rows)
    rows = [[c.name, *_figures(c), c.fitted_on, c.reason, c.source] for c in lpu]
    columns = ("figure", *_FIGURES, "input, not a test", "why", "source")
    _show_next(f"LPU: {_about(lpu_validation.BAND)}", columns, rows)
    return 0


def _show_next(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print()
    show_table(title, columns, rows)


def _kernel_record(error: KernelError) -> dict[str, object]:
    """Return the keys of a device file, which has no bar where there is none."""
    record = {"class" if key == "shapes" else key: value for key, value in asdict(error).items()}
    return {key: value for key, value in record.items() if value is not None}


def _check_record(check: Check) -> dict[str, object]:
    return {**asdict(check), "ratio": check.ratio, "in_band": check.in_band}


def _show_kernels(errors: Sequence[KernelError], names: Sequence[str]) -> None:
    rows = [
        [e.device, e.kernel, e.shapes, str(e.held_out), f"{e.median:.1%}", f"{e.p90:.1%}", _bar(e.bar, e.median), e.why]
        for e in errors
    ]
    title = "Kernels: |predicted / measured - 1| on shapes held out from the fit (earspan calibrate fit)"
    show_table(title, ("device", "kernel", "shapes", "held out>", "median>", "p90>", "bar for the median", "why"), rows)
    unfitted = [d.name for d in map(load_device, names) if d.kind in ("gpu", "cpu") and not d.validation]
    if unfitted:
        print(f"\nNo public kernel table, so nothing to hold out (constants borrowed): {', '.join(unfitted)}")


def _lpu_class(name: str, checks: Sequence[Check]) -> list[str]:
    tests = [check for check in checks if not check.fitted_on]
    middle = median(abs(check.ratio - 1) for check in tests)
    worst = max(tests, key=lambda check: abs(check.ratio - 1))
    bar = _bar(lpu_validation.BAR, middle)
    return [name, str(len(tests)), f"{middle:.1%}", bar, f"{abs(worst.ratio - 1):.0%}", worst.name, worst.reason]


def _bar(bar: float | None, value: float) -> str:
    return "" if bar is None else f"{bar:.0%} {'met' if value <= bar else 'MISSED'}"


def _figures(check: Check) -> list[str]:
    values = [f"{check.predicted:.4g}", f"{check.published:.4g}", check.unit, f"{check.ratio:.2f}"]
    return [*values, "yes" if check.in_band else "no"]


def _about(band: tuple[float, float]) -> str:
    return f"predicted / published ({band[0]:g} to {band[1]:g} is in band)"
