"""The page of one setting in detail: rates by dataset and speaker, and the errors word by word."""

from collections.abc import Sequence

from ...speech.metrics.align import DELETION, HIT, INSERTION, SUBSTITUTION
from ..experiment.records import Run
from ..results.evaluation import WordPair, worst_recordings
from ..results.records import Results
from ..results.wording import error_count
from .charts.marks import list_series
from .charts.spans import find_typical
from .page import Markup, el, fold, join, render_page, show_section, show_table
from .spans import (
    show_boundary_errors,
    show_head,
    show_latency,
    show_loads,
    show_origin,
    show_times,
    show_warnings,
)
from .tables.endpoints import list_endpoints
from .tables.evaluation import find_excerpts, list_common, list_groups, list_recordings
from .tables.spans import list_footings, list_rows

_WORST = 20  # recordings whose errors the page shows
_TAGS = {SUBSTITUTION: "substituted", INSERTION: "inserted", DELETION: "deleted"}


def render_evaluation(results: Results, run: Run | None) -> str:
    """Return the page of one setting; without its run, without errors word by word."""
    found, rows = results.evaluation, results.played
    if found is None:
        raise ValueError("these results are of several settings; expected an evaluation")
    heard = results.heard
    recordings = list_recordings(found)
    frequent = [join(el("h3", table.title), show_table(table)) for table in list_common(found)]
    footings = list_footings(rows)
    parts = [
        show_head(
            results,
            "What was heard, and what was not",
            "One way of listening in detail: how many words were wrong, whose, which, and where.",
        ),
        show_warnings(results),
        show_section(list_groups(found), fold(recordings.title, show_table(recordings))),
        *show_loads(results, list_series("backend", (row.backend for row in rows if row.backend))),
        show_boundary_errors(find_typical(heard), heard),
        show_latency(results, rows),
        show_section(list_endpoints(results.endpoints)),
        *show_times(rows),
        el("section", el("h2", "Most frequent errors"), el("div", *frequent, class_="kinds")) if frequent else None,
        _show_words(run, results) if run else None,
        show_section(list_rows(results.rows)),
        fold(footings.title, show_table(footings)) if footings else None,
        show_origin(results),
    ]
    return render_page(f"Earspan: evaluation of {results.provenance.model}", parts)


def _show_words(run: Run, results: Results) -> Markup | None:
    blocks = [
        fold(f"{one.recording}: {error_count(one.errors.errors, one.errors.ref_words)}", _show_excerpts(pairs))
        for one, pairs in worst_recordings(run, results, _WORST)
    ]
    about = "The recordings with the most errors. Struck out: said and not heard; underlined: heard and not said."
    return el("section", el("h2", "Errors, word by word"), el("p", about, class_="about"), *blocks) if blocks else None


def _show_excerpts(pairs: Sequence[WordPair]) -> Markup:
    """The stretches with errors: deleted words struck out, inserted and substituted ones marked."""
    items = [el("li", *(join(_show_pair(pair), " ") for pair in stretch)) for stretch in find_excerpts(pairs)]
    return el("ul", *items, class_="errors")


def _show_pair(pair: WordPair) -> Markup:
    if pair.step == HIT:
        return el("span", pair.reference)
    said = el("del", pair.reference, class_=_TAGS[pair.step]) if pair.reference else None
    heard = el("ins", pair.hypothesis, class_=_TAGS[pair.step]) if pair.hypothesis else None
    return join(said, " " if said and heard else None, heard)
