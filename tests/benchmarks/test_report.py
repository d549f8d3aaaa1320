"""The page is whole, closed and true to its numbers; the charts stand where the numbers say."""

import argparse
import copy
import json
import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks import charts, report
from earspan.benchmarks.charts import service_by_phase, span_and_wer
from earspan.benchmarks.markup import Markup, Scale, el, escape, shorten, text_width, ticks
from earspan.benchmarks.report_data import Report
from earspan.benchmarks.schedule_chart import schedules
from earspan.benchmarks.window_chart import flag_levels, on_curve, wer_by_window
from hypothesis import given, settings
from hypothesis import strategies as st


class Element:
    def __init__(self, name: str, attributes: dict[str, str]):
        self.name, self.attributes = name, attributes
        self.children: list[Element] = []
        self.text = ""  # all text within

    def all(self, name: str, class_: str | None = None) -> list["Element"]:
        own = [self] if self.name == name and class_ in (None, *self.classes) else []
        return own + [found for child in self.children for found in child.all(name, class_)]

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    def number(self, attribute: str) -> float:
        return float(self.attributes[attribute])


class Tree(HTMLParser):
    """Builds the tree and insists that every element is closed where it was opened."""

    def __init__(self, page: str):
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(page)
        self.close()
        assert self.open == [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in ("meta", "br"):
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


def parse(page: str) -> Element:
    return Tree(page).root


def score(wer: float, words: int = 1000) -> dict[str, Any]:
    errors = round(wer * words)
    return {
        "wer": wer, "wer_ci95": [wer * 0.9, wer * 1.1], "substitutions": errors - 30, "deletions": 13,
        "insertions": 17, "ref_words": words,
    }  # fmt: skip


def row(backend: str, span_s: float | None, **more: Any) -> dict[str, Any]:
    return {
        "backend": backend, "describe": f"Device {backend}, fp16", "streams": 16, "step_s": 1.0, "strategy": "sliding",
        "span_s": span_s, "limited_by": "memory", "service_s": 0.8, "ceiling_s": 0.25, "speed_factor": 31.25,
        "provenance": "fitted", "phases": {"mel": 0.0, "encode": 0.4, "prefill": 0.1, "decode": 0.3, "transfer": 0.0},
        "latency_p50_s": 1.87, "latency_p95_s": 2.74, "sustainable": span_s is not None, **score(0.125), **more,
    }  # fmt: skip


RESULTS: dict[str, Any] = {
    "schema": 1,
    "benchmark": "bench",
    "command": "earspan bench --streams 16",
    "model": "tiny.en",
    "model_sha256": "ab" * 32,
    "timed_as": "large-v3",
    "timed_padding": "full",
    "timed_dtype": "fp16",
    "dataset": {"name": "talks", "recordings": 9, "audio_s": 1385.0, "words": 4202, "digest": "9f" * 32},
    "row_dataset": {"name": "talks, a part", "recordings": 3, "audio_s": 461.0, "words": 1386, "digest": "9e" * 32},
    "settings": {"strategy": "sliding", "streams": 16, "step_s": 1.0, "latency_s": None, "normaliser": "whisper"},
    "environment": {"earspan": "0.1.0", "git": "abc1234", "wall_s": 123.5},
    "rows": [
        row("fast", 30.0, limited_by="nothing", provenance="estimate", **score(0.0613)),
        row("middle", 15.0, **score(0.0821)),
        row("slow", None, limited_by="compute", service_s=1.9, wer=None, wer_ci95=None),
    ],
    "curves": [
        {"strategy": "disjoint", "step_s": None, "recordings": 9,
         "points": [{"window_s": w, **score(0.06 + 0.6 / w)} for w in (1.0, 5.0, 30.0)]},
        {"strategy": "sliding", "step_s": 1.0, "recordings": 3,
         "points": [{"window_s": w, **score(0.05 + 0.2 / w)} for w in (1.0, 10.0, 30.0)]},
    ],
    "offline": {"window_s": 30.0, "wer": 0.0577, "wer_ci95": [0.05, 0.07]},
    "spans": [
        {"streams": 1, "step_s": 0.25, "backend": "middle", "span_s": 3.7, "limited_by": "launch"},
        {"streams": 16, "step_s": 1.0, "backend": "middle", "span_s": 15.0, "limited_by": "memory"},
        {"streams": 16, "step_s": 1.0, "backend": "slow", "span_s": None, "limited_by": "compute"},
    ],
    "failed": [{"recording": "talk-7.flac", "reason": "truncated"}],
    "warnings": ["Few recordings."],
    "summary": ["The first sentence.", "The second."],
}  # fmt: skip


def changed(**more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(RESULTS), **more}


def test_the_page_is_well_formed_and_closed():
    page = report.render(RESULTS)
    tree = parse(page)
    assert len(tree.all("svg")) == 3
    assert not tree.all("script") + tree.all("link") + tree.all("img") + tree.all("iframe")
    assert "://" not in page
    assert "@import" not in page
    assert set(re.findall(r"url\(([^)]*)\)", page)) == {"#hatch"}
    assert "default-src 'none'; style-src 'unsafe-inline'" in [
        meta.attributes.get("content") for meta in tree.all("meta")
    ]
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_everything_that_was_found_is_said_as_text():
    text = parse(report.render(RESULTS)).text.replace("\u00a0", " ")
    for said in (
        "The first sentence.", "The second.", "talk-7.flac: truncated", "Few recordings.", "earspan bench --streams 16",
        "tiny.en transcribed talks: 9 recordings, 4,202 words, 23.1 minutes",
        "The backends were scored on talks, a part: 3 recordings, 1,386 words",
        "timed as one of large-v3 (fp16, padding full)", "No accelerator ran", "The rates of large-v3",
        "fitted (a model of the device with constants fitted to published measurements): slow, middle",
        "estimate (a first-order estimate from the specification, held against no measurement): fast",
        "ab" * 32, "9f" * 32, "9e" * 32, "abc1234", "123.5", "offline 5.8 %", "windows of 30 s",
    ):  # fmt: skip
        assert said in text


def test_every_row_has_its_figures_in_the_table():
    tree = parse(report.render(RESULTS))
    table = next(table for table in tree.all("table") if "Ceiling" in table.text)
    rows = {line.all("th")[0].text: [cell.text for cell in line.all("td")] for line in table.all("tr")[1:]}
    rows = {name: [cell.replace("\u00a0", " ") for cell in cells] for name, cells in rows.items()}
    assert list(rows) == ["slowDevice slow, fp16", "middleDevice middle, fp16", "fastDevice fast, fp16"]
    assert rows["middleDevice middle, fp16"] == [
        "15 smemory", "0.8 s80 %", "0.25 s", "31.2 ×", "8.2 %[7.4–9.0]", "52 / 13 / 17of 1,000", "1.87 s2.74 s", "yes",
        "fitted",
    ]  # fmt: skip
    assert rows["slowDevice slow, fp16"][:5] == ["–compute", "1.9 s190 %", "0.25 s", "31.2 ×", "–"]
    assert rows["slowDevice slow, fp16"][7] == "no"


def test_the_planner_table_has_a_cell_for_every_load():
    tree = parse(report.render(RESULTS))
    (table,) = tree.all("table", "heat")
    lines = [[cell.text.replace("\u00a0", " ") for cell in line.children] for line in table.all("tr")]
    assert lines == [
        ["Streams, step", "middle", "slow"],
        ["1 stream, step 0.25 s", "3.7 slaunch", ""],
        ["16 streams, step 1 sthis run", "15 smemory", "–compute"],
    ]


def test_curves_are_in_numbers_too():
    tree = parse(report.render(RESULTS))
    table = tree.all("details")[0].all("table")[0]
    lines = [[cell.text.replace("\u00a0", " ") for cell in line.children] for line in table.all("tr")]
    assert lines[0] == ["Window", "disjoint", "sliding, step 1 s"]
    assert lines[1] == ["1 s", "66.0 %[59.4–72.6]", "25.0 %[22.5–27.5]"]
    assert lines[2] == ["5 s", "18.0 %[16.2–19.8]", "–"]


HOSTILE = "<script>alert('x')</script><b>\"&amp; \x00\x1b[31m\ud800 </title></style>"


def test_no_string_becomes_markup():
    def poison(value: Any) -> Any:
        if isinstance(value, str):
            return HOSTILE + value
        if isinstance(value, list):
            return [poison(item) for item in value]
        return {key: poison(item) for key, item in value.items()} if isinstance(value, dict) else value

    honest, poisoned = parse(report.render(RESULTS)), report.render(poison(RESULTS))
    tree = parse(poisoned)
    assert not tree.all("script")
    # Hostile text adds words, never elements; the backend's span is on no curve now, which takes no element away.
    assert len(tree.all("td")) == len(honest.all("td"))
    assert len(tree.all("b")) == len(honest.all("b"))
    assert "<script>alert('x')</script>" in tree.text
    assert "\ufffd" in poisoned
    poisoned.encode()


@settings(deadline=None, max_examples=60)
@given(st.text(), st.text())
def test_escaped_text_reads_as_itself(text: str, attribute: str):
    page = el("p", text, title=attribute)
    clean = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
    (p,) = parse(page).all("p")
    assert p.text == clean.sub("\ufffd", text)
    assert p.attributes["title"] == clean.sub("\ufffd", attribute)
    assert escape(page) is page
    assert isinstance(page, Markup)


def test_a_bar_is_as_long_as_its_span():
    rows = [row(f"b{i}", span_s) for i, span_s in enumerate((2.0, 7.5, 15.0, 30.0))]
    tree = parse(span_and_wer(Report.read(changed(rows=rows)).rows))
    bars = tree.all("rect", "bar")
    assert [bar.number("width") / bars[-1].number("width") for bar in bars] == pytest.approx(
        [2 / 30, 0.25, 0.5, 1], abs=1e-3
    )
    # The bar of 30 s ends at the grid line named 30, and every bar stays clear of the next.
    grid = {line.text: line.all("line")[0].number("x1") for line in tree.all("g") if line.all("line", "grid")}
    assert bars[-1].number("x") + bars[-1].number("width") == pytest.approx(grid["30"], abs=0.02)
    assert all(upper.number("y") + upper.number("height") < lower.number("y") for upper, lower in pairwise(bars))


def test_dot_and_whisker_stand_at_rate_and_interval():
    tree = parse(span_and_wer(Report.read(changed(rows=[row("one", 10.0, wer=0.2, wer_ci95=[0.1, 0.4])])).rows))
    ticks_at = {name.text: name.number("x") for name in tree.all("text", "tick")[-5:]}
    zero, forty = ticks_at["0"], ticks_at["40"]
    (dot,), (whisker,) = tree.all("circle", "dot"), tree.all("path", "whisker")
    assert (dot.number("cx") - zero) / (forty - zero) == pytest.approx(0.5, abs=1e-3)
    low, high = (float(x) for x in re.findall(r"M([\d.]+) ", whisker.attributes["d"])[:2])
    assert ((low - zero) / (forty - zero), (high - zero) / (forty - zero)) == pytest.approx((0.25, 1.0), abs=1e-3)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.floats(0, 1.2)] * 3).map(sorted), min_size=1, max_size=4))
def test_the_figures_of_a_whisker_stand_right_of_it_and_within_the_picture(rates: list[list[float]]):
    rows = [row(f"b{i}", 30.0, wer=middle, wer_ci95=[low, high]) for i, (low, middle, high) in enumerate(rates)]
    tree = parse(span_and_wer(Report.read(changed(rows=rows)).rows))
    whiskers = tree.all("path", "whisker")
    figures = [text for text in tree.all("text") if re.match(r"[\d.]+\u00a0% \[", text.text)]
    assert len(whiskers) == len(figures) == len(rates)
    for whisker, figure in zip(whiskers, figures, strict=True):
        end = max(float(x) for x in re.findall(r"M([\d.]+) ", whisker.attributes["d"]))
        value, interval = figure.text.split(" ")
        width = text_width(value, 14) + text_width(" " + interval, 12)
        assert end < figure.number("x") < figure.number("x") + width <= charts.WIDTH


def test_only_estimates_are_hatched():
    page = report.render(RESULTS)
    assert page.count("url(#hatch)") == 1
    assert "Hatched" in page
    assert "Hatched" not in report.render(changed(rows=[row("a", 3.0)]))


def test_phases_add_up_to_the_service_time_and_the_step_is_a_line():
    rows = Report.read(changed(rows=[row("half", 10.0, service_s=0.9)])).rows
    tree = parse(service_by_phase(rows))
    (limit,) = tree.all("line", "limit")
    bars = [bar for bar in tree.all("rect", "phase") if bar.number("height") == 24]
    zero = bars[0].number("x")
    step = limit.number("x1") - zero
    widths = {bar.classes[1]: bar.number("width") / step for bar in bars}
    # 0.8 s of phases; what is missing to 0.9 s is drawn as well.
    expected = {"mel": 0, "encode": 0.4, "prefill": 0.1, "decode": 0.3, "transfer": 0, "other": 0.1}
    assert widths == pytest.approx(expected, abs=1e-3)
    assert all(a.number("x") + a.number("width") == pytest.approx(b.number("x"), abs=0.03) for a, b in pairwise(bars))
    at = float(re.findall(r"M([\d.]+) ", tree.all("path", "ceiling")[-1].attributes["d"])[0])
    assert (at - zero) / step == pytest.approx(0.25, abs=1e-3)


def test_a_bar_beyond_the_chart_ends_at_it_and_says_so():
    rows = Report.read(changed(rows=[row("a", None, service_s=7.0, phases={"encode": 7.0}), row("b", 9.0)])).rows
    tree = parse(service_by_phase(rows))
    longest = max(bar.number("x") + bar.number("width") for bar in tree.all("rect", "phase"))
    assert longest == pytest.approx(800, abs=0.1)
    assert "→ 7\u00a0s of 1\u00a0s = 700\u00a0%" in tree.text


def test_disjoint_chunks_have_their_window_to_be_served_in():
    (one,) = Report.read(changed(rows=[row("a", 4.0, strategy="disjoint", step_s=None)])).rows
    assert one.load == 0.8 / 4.0


# 400 us: 4 us of mel, 196 of encoder, 40 of prefill, a gap of 10, 150 of decode
SCHEDULE = [
    ["program", "mel", 0.0, 4.0], ["program", "encode", 4.0, 200.0], ["program", "prefill", 200.0, 240.0],
    ["program", "decode", 250.0, 400.0], ["VXM", "mel", 0.0, 4.0], ["MXM", "encode", 4.0, 50.0],
    ["MXM", "encode", 60.0, 84.0], ["VXM", "encode", 50.0, 100.0], ["MXM", "decode", 250.0, 260.0],
    ["C2C", "decode", 260.0, 290.0],
]  # fmt: skip


def bars(path: Element) -> list[tuple[float, float, float]]:
    found = re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)v12H\1z", path.attributes["d"])
    assert "".join(f"M{left} {y}H{right}v12H{left}z" for left, y, right in found) == path.attributes["d"]
    return [(float(left), float(right), float(y)) for left, y, right in found]


def test_a_schedule_is_drawn_to_its_microseconds():
    rows = Report.read(changed(rows=[row("gpu", 9.0, schedule=None), row("lpu", 10.0, schedule=SCHEDULE)])).rows
    tree = parse(schedules(rows))
    programs = {box.classes[1]: box for box in tree.all("rect", "program")}
    left, length = programs["mel"].number("x"), 1020 - programs["mel"].number("x")
    spans = {
        phase: ((box.number("x") - left) / length * 400, box.number("width") / length * 400)
        for phase, box in programs.items()
    }
    assert spans["encode"] == pytest.approx((4, 196), abs=0.02)
    assert spans["prefill"] == pytest.approx((200, 40), abs=0.02)
    assert spans["decode"] == pytest.approx((250, 150), abs=0.02)
    # two phases have units at work: 0 to 100 us and 250 to 290 us fill a panel each, which are as wide
    (funnel, other) = (
        [float(x) for x in re.findall(r"[MLH]([\d.]+)", path.attributes["d"])] for path in tree.all("path", "zoom")
    )
    assert [(x - left) / length * 400 for x in (funnel[0], funnel[3])] == pytest.approx([0, 100], abs=0.02)
    assert [(x - left) / length * 400 for x in (other[0], other[3])] == pytest.approx([250, 290], abs=0.02)
    lanes = {
        (path.all("title")[0].text.split(":")[0], path.classes[1]): bars(path) for path in tree.all("path", "slot")
    }
    assert set(lanes) == {("VXM", "mel"), ("VXM", "encode"), ("MXM", "encode"), ("MXM", "decode"), ("C2C", "decode")}
    edges = {key: [x for start, end, _ in lane for x in (start, end)] for key, lane in lanes.items()}

    def times_us(key: tuple[str, str], panel: list[float], start_us: float, shown_us: float) -> list[float]:
        return [start_us + (x - panel[1]) / (panel[2] - panel[1]) * shown_us for x in edges[key]]

    assert times_us(("MXM", "encode"), funnel, 0, 100) == pytest.approx([4, 50, 60, 84], abs=0.02)
    assert times_us(("VXM", "encode"), funnel, 0, 100) == pytest.approx([50, 100], abs=0.02)
    assert times_us(("VXM", "mel"), funnel, 0, 100) == pytest.approx([0, 4], abs=0.02)
    assert times_us(("MXM", "decode"), other, 250, 40) == pytest.approx([250, 260], abs=0.02)
    assert times_us(("C2C", "decode"), other, 250, 40) == pytest.approx([260, 290], abs=0.02)
    assert funnel[2] - funnel[1] == pytest.approx(other[2] - other[1], abs=0.02)
    # a unit has one line, the same in every panel, and no two units share one
    heights = {unit: {y for (name, _), lane in lanes.items() if name == unit for *_, y in lane} for unit, _ in lanes}
    assert sorted(map(len, heights.values())) == [1, 1, 1]
    assert len(set.union(*heights.values())) == 3
    # what a tick says is how far it is from the start of its panel
    ticks_at = [(float(tick.text), tick.number("x")) for tick in tree.all("text", "tick")]
    places = [
        (time_us, round((x - panel[1]) / (panel[2] - panel[1]) * shown_us, 1))
        for time_us, x in ticks_at
        for panel, shown_us in ((funnel, 100), (other, 40))
        if panel[1] - 0.1 <= x <= panel[2] + 0.1
    ]
    assert len(places) == len(ticks_at) >= 4
    assert all(said == stands for said, stands in places)
    busy = {title.text for title in tree.all("title") if "busy" in title.text}
    assert "MXM: busy 70% of the time shown" in busy
    assert "whole call: 400\u00a0µs" in tree.text or "whole call: 400 µs" in tree.text


def test_a_hand_over_is_named_and_a_run_without_schedules_has_no_such_figure():
    later = [slot for slot in SCHEDULE if slot[1] == "decode"]
    page = report.render(changed(rows=[row("h100+lpu", 10.0, schedule=later), row("gpu", 5.0)]))
    assert "from the hand-over on" in page
    assert "schedule of a call" in page
    assert "from the hand-over on" not in report.render(changed(rows=[row("lpu", 10.0, schedule=SCHEDULE)]))
    assert "schedule of a call" not in report.render(RESULTS)
    assert "schedule of a call" not in report.render(changed(rows=[row("gpu", 5.0, schedule=None)]))


def vertices(path: Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.attributes["d"])]


def test_marks_sit_on_the_line_of_their_strategy():
    found = Report.read(
        changed(rows=[row("on", 4.0), row("apart", 12.0, strategy="disjoint", step_s=None), row("end", 30.0)])
    )
    tree = parse(wer_by_window(found.curves, found.rows, found.offline))
    lines = [vertices(line) for line in tree.all("path", "line")]
    assert [len(line) for line in lines] == [3, 3]
    marks = {mark.all("title")[0].text.split(":")[0]: mark for mark in tree.all("g") if mark.all("circle", "mark")}
    marks.pop("Word error rate against window", None)
    for name, line in (("on", lines[1]), ("apart", lines[0]), ("end", lines[1])):
        (mark,) = marks[name].all("circle")
        x, y = mark.number("cx"), mark.number("cy")
        on_line = [
            y0 + (x - x0) / (x1 - x0) * (y1 - y0)
            for (x0, y0), (x1, y1) in pairwise(line)
            if x0 - 0.01 <= x <= x1 + 0.01
        ]
        assert y == pytest.approx(on_line[0], abs=0.05)
    # 12 s between 5 s and 30 s, by hand: 18 % + log(12 / 5) / log(30 / 5) * (8 % - 18 %) = 13.11 %
    assert "13.1\u00a0% on its curve" in marks["apart"].text


def test_the_axes_of_the_curve_are_even_and_logarithmic():
    found = Report.read(RESULTS)
    tree = parse(wer_by_window(found.curves, found.rows, found.offline))
    names = tree.all("text", "tick")
    across = {float(name.text): name.number("x") for name in names if name.attributes["text-anchor"] == "middle"}
    up = {float(name.text): name.number("y") for name in names if name.attributes["text-anchor"] == "end"}
    assert sorted(across, key=lambda tick: across[tick]) == sorted(across)
    assert across[10] - across[1] == pytest.approx((across[20] - across[2]), abs=0.03)
    assert across[10] - across[1] == pytest.approx((across[3] - across[1]) / math.log10(3), abs=0.1)
    heights = [up[tick] for tick in sorted(up)]
    assert {round(lower - upper, 1) for lower, upper in pairwise(heights)} == {round(heights[0] - heights[1], 1)}
    # The highest end of an interval, 72.6 %, is on the chart.
    assert max(up) >= 72.6


def test_a_span_outside_the_curve_has_no_rate():
    rows = [row("short", 0.5, wer=0.6), row("other", 5.0, strategy="unheard", wer=None)]
    found = Report.read(changed(rows=rows))
    assert [on_curve(one, found.curves) for one in found.rows] == [None, None]
    tree = parse(wer_by_window(found.curves, found.rows, found.offline))
    up = {
        name.text: name.number("y") - 4 for name in tree.all("text", "tick") if name.attributes["text-anchor"] == "end"
    }
    # At its own rate if it was scored, at the foot of its pole if not.
    assert [mark.number("cy") for mark in tree.all("circle", "mark")] == pytest.approx([up["60"], up["0"]], abs=0.02)


def test_the_curve_of_the_same_step_is_preferred():
    curves = [{**RESULTS["curves"][1], "step_s": step_s} for step_s in (0.5, 1.0, 2.0)]
    found = Report.read(changed(curves=curves, rows=[row("a", 5.0), row("b", 6.0, step_s=9.0)]))
    chosen = [on_curve(one, found.curves) for one in found.rows]
    assert [one and one[0] for one in chosen] == [1, 0]


@given(st.lists(st.tuples(st.integers(0, 800), st.integers(10, 200)), max_size=14))
def test_flags_cover_neither_each_other_nor_a_pole(flags: list[tuple[int, int]]):
    flags = sorted(flags)
    levels = flag_levels(flags)
    for i, (x, width) in enumerate(flags):
        for j, (pole, _) in enumerate(flags):
            if i != j and x <= pole <= x + width:
                # A label at the height of the pole of j, or below its label, would cover it.
                assert levels[i] != levels[j]
                assert levels[i] > levels[j] or pole == x


@given(st.floats(1e-6, 1e6), st.integers(2, 10))
def test_ticks_are_round_even_and_reach_the_top(high: float, about: int):
    values = ticks(high, about)
    assert values[0] == 0
    assert values[-1] >= high * (1 - 1e-6)
    assert len(values) <= about + 2
    step = values[1]
    assert values[-2] < high
    assert f"{step:e}"[0] in "125"
    assert values == pytest.approx([step * i for i in range(len(values))], rel=1e-6, abs=1e-11)


def test_a_scale_is_planted():
    assert Scale(0, 10, 100, 200)(2.5) == 125
    assert Scale(1, 100, 0, 10, logarithmic=True)(10) == pytest.approx(5)


@given(st.text(max_size=60), st.integers(20, 300))
def test_shortened_text_fits_and_keeps_its_ends(text: str, width: int):
    short = shorten(text, width, 12)
    assert text_width(short, 12) <= width
    if short != text:
        head, tail = short.split("…")[0], short.rsplit("…")[-1]
        assert text.startswith(head)
        assert text.endswith(tail)


@pytest.mark.parametrize(
    "results",
    [
        {"schema": 1},
        {"schema": 1, "rows": [{"backend": "x"}, {"backend": "y", "span_s": 5.0, "step_s": 0}], "spans": None},
        {"schema": 1, "curves": [{"strategy": "sliding", "points": [{"window_s": 1.0, "wer": 0.3}]}]},
        {"schema": 1, "curves": [{"points": []}, {"points": [{"window_s": 2.0, "wer": None}]}], "offline": None},
        changed(rows=[row("a", 3.0, wer=0.0, wer_ci95=[0.0, 0.0], service_s=0.0, phases={})]),
        changed(rows=[row(f"backend-{i}" * (i + 1), i + 1.0, wer=2.5, wer_ci95=None) for i in range(12)]),
        changed(rows=[row("no units", 3.0, schedule=SCHEDULE[:4]), row("odd", 3.0, schedule=[["X", "y", 1.0, 1.0]])]),
        changed(rows=[row("early", 3.0, latency_p50_s=-0.2)], more={"unknown": [1]}),
    ],
)
def test_sparse_results_make_a_page(results: dict[str, Any]):
    tree = parse(report.render(results))
    for line in results.get("rows") or []:
        assert line["backend"] in tree.text
    assert "nan" not in "".join(str(element.attributes) for element in tree.all("svg")).lower()


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([], "schema is 'list'; expected 1"),
        ({}, "schema is None; expected 1"),
        (changed(schema=2), "schema is 2; expected 1"),
        (changed(rows=[{"span_s": 3}]), "rows[0].backend is missing"),
        (changed(rows=[row("a", 3.0), row("b", 3.0, wer="low")]), "rows[1].wer is 'low'; expected a number from 0"),
        (changed(rows=[row("a", -1.0)]), "rows[0].span_s is -1.0; expected a number from 0"),
        (changed(rows=[row("a", True)]), "rows[0].span_s is True; expected a number"),
        (changed(rows=[row("a", math.nan)]), "rows[0].span_s is nan; expected a number"),
        (changed(rows=[row("a", 10**400)]), "rows[0].span_s is 10000"),
        (changed(rows=[row("a", 3.0, wer_ci95=[0.2, 0.1])]), "rows[0].wer_ci95 is [0.2, 0.1]; expected [low, high]"),
        (changed(rows=[row("a", 3.0, wer_ci95=[0.2])]), "expected [low, high]"),
        (changed(rows=[row("a", 3.0, phases={"encode": "x"})]), "rows[0].phases.encode is 'x'; expected a number"),
        (changed(rows=[row("a", 3.0, sustainable="yes")]), "rows[0].sustainable is 'yes'; expected true or false"),
        (changed(rows=[row("a", 3.0, schedule=[["MXM", "encode", 1.0]])]), "expected a list of [unit, phase,"),
        (changed(rows=[row("a", 3.0, schedule=[["MXM", "encode", 2.0, 1.0]])]), "rows[0].schedule is [['MXM'"),
        (changed(rows=[row("a", 3.0, schedule=[["MXM", 5, 1.0, 2.0]])]), "rows[0].schedule.phase is 5"),
        (changed(rows=["a"]), "rows is ['a']; expected a list of objects"),
        (changed(rows={}), "rows is {}; expected a list"),
        (changed(dataset=[1]), "dataset is [1]; expected an object"),
        (changed(summary=[1]), "summary is [1]; expected a list of texts"),
        (changed(curves=[{"points": [{"wer": 1}]}]), "curves[0].points[0].window_s is missing; expected seconds"),
        (changed(curves=[{"points": [{"window_s": 0}]}]), "curves[0].points[0].window_s is 0; expected a number"),
        (changed(spans=[{"backend": "a"}]), "spans[0].streams and spans[0].step_s are needed"),
    ],
)
def test_wrong_results_are_named_with_their_place(results: Any, said: str):
    with pytest.raises(InputError, match=re.escape(said)) as error:
        report.render(results)
    assert "\n" not in str(error.value)


def run(folder: Path) -> int:
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    return report.run(parser.parse_args([str(folder)]))


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    assert run(tmp_path) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report.render(RESULTS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory; earspan bench --out"),
        (b"", "not JSON"),
        (b'{"schema": 1,', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"schema": 7}', "schema is 7; expected 1"),
    ],
)
def test_a_broken_run_is_one_line_and_no_page(tmp_path: Path, content: bytes | None, said: str):
    if content is not None:
        (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(said)) as error:
        run(tmp_path)
    assert str(error.value).startswith(str(tmp_path / "results.json"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "report.html").exists()


def test_a_word_before_its_end_is_negative_and_the_rules_of_scoring_are_named():
    text = parse(report.render(changed(rows=[row("early", 3.0, latency_p50_s=-0.2)], scoring="whisper (1.0)"))).text
    assert "−0.2\u00a0s2.74\u00a0s" in text
    assert "rules whisper (1.0)" in text
