"""Vega draws every chart, and charts stand on the figures of the records."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import vl_convert
from earspan.benchmarks.report.charts import spans as charts
from earspan.benchmarks.report.charts import times
from earspan.benchmarks.report.charts.marks import Chart, list_series, spread
from earspan.benchmarks.report.charts.strategies import draw_awareness, draw_chunks, draw_fronts, draw_strategies
from earspan.benchmarks.report.curve import draw_series
from earspan.benchmarks.report.explorer import draw_explorer
from earspan.benchmarks.report.page import config, specify
from earspan.benchmarks.report.tables.cells import name_setting
from hypothesis import given
from hypothesis import strategies as st

from . import planted

SPANS, COMPARISON = planted.spans(), planted.comparison()
BACKENDS = list_series("backend", (row.backend for row in (*SPANS.rows, *COMPARISON.rows)))
STRATEGIES = list_series("strategy", ("disjoint", "sliding"))
FEWER = [
    planted.row("l4", 10.0, 0.03, load="2x1", plan=planted.plan("l4", 12.0, load="2x1")),
    planted.row("t4", 5.0, 0.05, load="2x1", plan=planted.plan("t4", 6.0, load="2x1")),
]
POINTS = [row for curve in SPANS.curves for row in curve.points]


def values(chart: Chart) -> list[dict[str, Any]]:
    """Every value that a chart draws."""
    spec = chart.to_dict()
    parts = [spec, *spec.get("layer", ()), *(layer for frame in spec.get("hconcat", ()) for layer in frame["layer"])]
    return [value for part in parts for value in part.get("data", {}).get("values", ())]


def every_chart() -> dict[str, Chart]:
    whole, *starts = times.draw_schedule(planted.plan("lpu", 30.0, schedule=planted.SCHEDULE))
    h100, t4 = draw_fronts(COMPARISON, STRATEGIES)
    spans, rates = charts.draw_map(SPANS.rows, 0.1, "16x1")
    [lines] = charts.draw_by_streams([*SPANS.rows, *FEWER], BACKENDS)
    typical = charts.find_typical(POINTS)
    return {
        "spans": charts.draw_spans(SPANS.played, BACKENDS), "rates": charts.draw_rates(SPANS.played, BACKENDS),
        "map of spans": spans, "map of rates": rates, "by streams": lines,
        "windows": charts.draw_windows(SPANS.curves, SPANS.played, BACKENDS),
        "distances": charts.draw_distances(typical, list_series("setting", map(name_setting, typical))),
        "latencies": times.draw_latencies(SPANS.played[1:], BACKENDS), "service": times.draw_service(SPANS.played),
        "schedule": whole, "start": starts[0], "h100": h100, "t4": t4,
        "strategies": draw_strategies(COMPARISON.curves, STRATEGIES), "chunks": draw_chunks(COMPARISON, BACKENDS),
        "aware": draw_awareness(COMPARISON, BACKENDS), "series": draw_series(planted.series()),
    }  # fmt: skip


CHARTS = every_chart()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", CHARTS)
def test_vega_draws_it_in_the_colours_of_the_theme(name: str, theme: str):
    spec = specify(CHARTS[name]) | {"config": config(theme)}
    picture = vl_convert.vegalite_to_svg(spec | ({"width": 600} if spec.get("width") == "container" else {}))
    assert picture.startswith("<svg")
    assert config(theme)["axis"]["titleColor"] in picture
    assert "#4c78a8" not in picture  # what Vega takes where nothing is said


def find(chart: Chart, **wanted: Any) -> dict[str, Any]:
    """The first value that has what is wanted."""
    return next(value for value in values(chart) if wanted.items() <= value.items())


def test_spans_and_rates_are_those_of_the_rows():
    assert find(CHARTS["spans"], backend="h100")["span"] == 14.7
    assert find(CHARTS["spans"], backend="t4")["span_said"] == "keeps up with none (compute)"
    h100 = find(CHARTS["rates"], backend="h100")
    assert [h100[name] for name in ("low", "wer", "high")] == pytest.approx([2.601, 2.89, 3.179])
    assert find(CHARTS["rates"], backend="t4")["wer_said"] == "not scored"


def test_curves_flags_and_what_backends_heard_are_on_one_axis():
    chart = CHARTS["windows"]
    assert find(chart, curve="disjoint", window=2.0)["wer"] == pytest.approx(11.4)
    assert find(chart, name="h100 14.7 s")["window"] == 14.7
    near = [planted.played(name, span_s, 0.03) for name, span_s in (("a100", 28.4), ("h100", 30.0), ("l4", 4.9))]
    shared = charts.draw_windows(SPANS.curves, near, BACKENDS)
    assert {value["name"] for value in values(shared) if "name" in value} == {"l4 4.9 s", "a100, h100 28.4 to 30 s"}
    assert find(chart, backend="h100")["window"] == 14.7
    close = [replace(row, plan=planted.plan(f"b{i}", span)) for i, (row, span) in enumerate(
        zip(SPANS.played[1:], (10.0, 10.2, 20.0), strict=True))]  # fmt: skip
    named = {value["name"] for value in values(charts.draw_windows(SPANS.curves, close, BACKENDS)) if "name" in value}
    assert named == {"l4, h100 10 to 10.2 s", "groq-v1x16 20 s"}


def test_classes_of_few_words_have_no_rate():
    rows = charts.find_typical(POINTS)
    assert [(row.strategy, row.window_s) for row in rows] == [("disjoint", 5.0), ("sliding", 5.0)]
    cut = find(CHARTS["distances"], setting="disjoint 5 s", place="cut through")
    assert (cut["wer"], cut["words"]) == (pytest.approx(18.0), 100)
    assert "over 8 s" not in {value["place"] for value in values(CHARTS["distances"])}


def test_phases_add_up_to_the_service_time_and_end_at_twice_the_step():
    def stack(backend: str) -> list[tuple[str, float, float]]:
        own = [v for v in values(CHARTS["service"]) if v.get("backend") == backend and "phase" in v]
        return [(value["phase"], value["start"], value["end"]) for value in own]

    h100 = stack("h100")
    assert [name for name, _, _ in h100] == ["encode", "prefill", "decode", "other"]
    assert [end for _, _, end in h100] == pytest.approx([40, 50, 75, 80])
    assert [start for _, start, _ in h100] == pytest.approx([0, 40, 50, 75])
    assert stack("t4")[-1][2] == 200
    # Disjoint chunks have their own window to be served in.
    plan = planted.plan("h100", 4.0, strategy="disjoint", step_s=None)
    chunk = times.draw_service([planted.row("h100", 4.0, 0.1, plan=plan)])
    found = next(value for value in values(chunk) if "ceiling" in value)
    assert (found["ceiling"], found["said"]) == (pytest.approx(6.25), "0.8 s of 4 s: 20 %")


def test_a_schedule_is_drawn_to_its_microseconds():
    whole, encode, decode = times.draw_schedule(planted.plan("lpu", 30.0, schedule=planted.SCHEDULE))
    assert [(v["phase"], v["start"], v["end"]) for v in values(whole)] == [
        ("mel", 0, 4), ("encode", 4, 200), ("prefill", 200, 240), ("decode", 250, 400),
    ]  # fmt: skip
    assert {v["phase"] for v in values(encode)} == {"mel", "encode"}
    assert find(decode, unit="C2C") == {"unit": "C2C", "phase": "decode", "start": 260, "end": 290}


def test_latencies_are_drawn_from_the_median_to_99_percent():
    h100 = find(CHARTS["latencies"], backend="h100")
    assert [h100[name] for name in ("first", "p50", "p95", "p99")] == pytest.approx([1.161, 1.935, 2.9025, 3.6765])


def test_the_front_and_what_falls_behind_are_marked():
    front = CHARTS["h100"].to_dict()["layer"][0]["data"]["values"]
    assert [(value["strategy"], value["window"]) for value in front] == [
        ("sliding", 2), ("sliding", 5), ("sliding", 30),
    ]  # fmt: skip
    behind = CHARTS["t4"].to_dict()["layer"][3]
    assert behind["mark"]["filled"] is False
    assert {(value["strategy"], value["window"]) for value in behind["data"]["values"]} == {
        ("disjoint", 1), ("disjoint", 2), ("disjoint", 5),
    }  # fmt: skip


def test_chunks_and_awareness_hold_backends_against_infinitely_fast_hardware():
    assert {value["backend"] for value in values(CHARTS["chunks"])} == {"h100", "t4", "unaware"}
    one = find(CHARTS["aware"], backend="h100", strategy="sliding", window=5.0)
    assert (one["free"], one["at"]) == (pytest.approx(0.4 + 5 / 3), pytest.approx(4.0))
    assert not [v for v in values(CHARTS["aware"]) if v.get("keeps_up") is False]


def test_words_before_their_end_have_a_place_on_a_logarithmic_axis():
    early = [replace(row, latency=planted.latency(-0.2)) for row in COMPARISON.rows]
    found = values(draw_fronts(replace(COMPARISON, rows=tuple(early)), STRATEGIES)[0])
    assert {value["at"] for value in found} == {0.05}


def test_the_maps_hold_every_backend_under_every_load():
    h100 = find(CHARTS["map of spans"], backend="h100", load="1x0.25")
    assert (h100["span"], h100["cell"], h100["at"]) == (3.7, "3.7", "1 × 0.25 s")
    assert find(CHARTS["map of spans"], backend="t4")["cell"] == "–"
    l4 = find(CHARTS["map of rates"], backend="l4", load="16x1")
    assert (l4["cell"], l4["under"], l4["at"]) == ("5.6", "4.9 s", "16 × 1 s *")
    assert l4["share"] == pytest.approx(0.557)  # of the 10 % that are darkest
    assert charts.list_loads(SPANS.rows) == ["1x0.25", "16x1"]
    chunks = [replace(row, strategy="disjoint") for row in SPANS.rows]  # whose step is their window
    assert charts.list_loads([*chunks, replace(chunks[0], load="2x9")]) == ["1x0.25", "2x9", "16x1"]
    assert find(charts.draw_map(chunks, 0.1)[0], backend="h100", load="1x0.25")["at"] == "1 stream"


def test_lines_are_of_one_step_and_end_where_a_backend_no_longer_keeps_up():
    chart = CHARTS["by streams"].to_dict()
    assert chart["title"] == "a call every 1 s"  # there is one load with a step of 0.25 s
    named = {value["backend"]: value["streams"] for value in values(CHARTS["by streams"]) if "height" in value}
    assert named == {"t4": 2, "l4": 16, "h100": 16, "groq-v1x16": 16}
    assert charts.draw_by_streams(SPANS.rows, BACKENDS) == []
    none = [replace(row, plan=replace(row.plan, span_s=None)) for row in (*SPANS.rows, *FEWER) if row.plan]
    assert charts.draw_by_streams(none, BACKENDS) == []


@given(st.lists(st.floats(0, 30), max_size=15), st.floats(0.5, 2))
def test_names_at_the_ends_of_lines_keep_apart_and_inside(heights: list[float], least: float):
    found = spread(heights, least, 30)
    ordered = sorted(found)
    assert all(b - a >= least - 1e-9 for a, b in itertools.pairwise(ordered))
    assert all(-1e-9 <= at <= 30 for at in found)
    assert sorted(range(len(found)), key=found.__getitem__) == sorted(range(len(heights)), key=heights.__getitem__)


def test_an_explorer_offers_what_rows_have():
    rows = [{"backend": "a", "latency_p99_s": 0.7, "wer": 0.1, "streams": 4, "usd_per_audio_h": None},
            {"backend": "b", "latency_p99_s": 2.2, "wer": 0.05, "streams": 9, "own": True, "note": "mine"}]  # fmt: skip
    figure = draw_explorer(rows, x="wer", across={"wer": {"theirs": 4.0}}, equal={"streams": None})
    assert list(figure.explorer["measures"]) == ["latency_p99_s", "wer", "streams"]
    assert figure.explorer["stops"] == [0.7, 1, 1.5, 2, 3]
    assert figure.explorer["rows"][1]["own"] is True
    assert {"0.7", "10", "4", "-", "a"} <= set(figure.explorer["rows"][0].values())
    assert 'data-start="wer"' in figure.above
    assert '<option value="9">9</option>' in figure.above
    assert draw_explorer([{"backend": "a", "wer": 0.0, "streams": 3}]).charts == []
