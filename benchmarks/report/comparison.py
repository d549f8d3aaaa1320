"""The page of strategies compared: errors against delays on each backend, and what is best within a budget."""

from ..results.records import Results
from .charts.marks import list_series
from .charts.spans import find_typical
from .charts.strategies import draw_awareness, draw_chunks, draw_fronts, draw_strategies
from .page import Figure, el, fold, render_page, show_section, show_table
from .spans import show_boundary_errors, show_head, show_origin, show_warnings
from .tables.endpoints import list_endpoints
from .tables.spans import list_curves
from .tables.strategies import list_candidates, list_clocks, list_strategies


def render_comparison(results: Results) -> str:
    """Return the page of strategies compared."""
    curves = results.curves
    strategies = list_series("strategy", (curve.strategy for curve in curves))
    backends = list_series("backend", (row.backend for row in (*results.rows, *(p for c in curves for p in c.points))))
    typical = find_typical([row for curve in curves for row in curve.points])
    numbers, clocks = list_curves(curves), list_clocks(results)
    parts = [
        show_head(
            results,
            "Which way of cutting live audio?",
            "Live audio has to be cut before Whisper can hear it. Each strategy cuts it in its own way and shows words "
            "at its own time; this page plays them all on an exact clock and compares errors and delays.",
        ),
        Figure(
            "WER against word latency",
            "Each point is a strategy with one window, lines join the windows of a strategy; hollow: the backend falls "
            "behind. The dashed steps are the front: no other point that keeps up is both earlier and better. Latency: "
            "from the end of a spoken word until it is shown; 95 of 100 words keep it.",
            draw_fronts(results, strategies),
            series=[strategies],
        ),
        show_warnings(results),
        show_section(list_candidates(results.comparison.within if results.comparison else ())),
        Figure(
            "WER against window",
            "What a longer window buys each strategy, with 95 % intervals.",
            [draw_strategies(curves, strategies)],
            fold("The numbers behind the lines", show_table(numbers)) if numbers else None,
            [strategies],
        ),
        Figure(
            "Latency of disjoint chunks against their length",
            "Whisper pads every call to 30 s, so a short chunk costs nearly as much as a long one. Where that is more "
            "than the chunk lasts, calls queue up (hollow: without end, the longer the recording the worse) and a "
            "longer chunk lowers the latency. Unaware: the same on infinitely fast hardware.",
            [draw_chunks(results, backends)],
            series=[backends],
        ),
        Figure(
            "Aware against unaware of the time to compute",
            "Median word latency on each backend against that of the same calls on infinitely fast hardware; on the "
            "dashed line computing costs nothing.",
            [draw_awareness(results, backends)],
            fold(clocks.title, el("p", clocks.about), show_table(clocks)),
            [list_series("backend", (row.backend for row in results.rows))],
        ),
        show_boundary_errors(typical, [row for curve in curves for row in curve.points]),
        show_section(list_strategies(results.rows)),
        show_section(list_endpoints(results.endpoints)),
        show_origin(results),
    ]
    return render_page(f"Earspan: strategies on {results.data}", parts)
