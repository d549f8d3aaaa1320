"""Which page shows which results."""

from pathlib import Path

from ..experiment.records import Run
from ..experiment.store import write_whole
from ..results.records import Results
from .comparison import render_comparison
from .evaluation import render_evaluation
from .spans import render_spans


def render(results: Results, run: Run | None) -> str:
    """Return the page of results: one HTML file that asks for nothing from outside.

    run: what was scored, for the errors of one setting word by word; None leaves those out.
    """
    if results.comparison:
        return render_comparison(results)
    return render_evaluation(results, run) if results.evaluation else render_spans(results)


def write_report(folder: str | Path, results: Results, run: Run | None = None) -> Path:
    """Write the page of results as `report.html` into `folder`, and return its path. Raises `InputError`."""
    path = Path(folder) / "report.html"
    write_whole(path, render(results, run))
    return path
