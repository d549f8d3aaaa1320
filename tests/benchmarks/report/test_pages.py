"""Pages are whole and closed, and say what the records say."""

import csv
import io
import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from earspan.benchmarks.experiment.records import Failure
from earspan.benchmarks.report.page import Markup, el, escape, render_page
from earspan.benchmarks.report.render import render
from earspan.benchmarks.report.tables.figures import write_csv
from earspan.benchmarks.results.records import Results
from hypothesis import given, settings
from hypothesis import strategies as st

from . import planted

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\u2028\u2029]")


class Page(HTMLParser):
    """The elements of a page, its text, its tables as lists of cells, and its scripts by type."""

    def __init__(self, page: str):
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.policy = ""
        self.text = ""
        self.scripts: list[tuple[str | None, str]] = []
        self.rows: list[list[str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs)
        self.names.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        self.links += re.findall(r"url\(|@import", given.get("style") or "")
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag == "script":
            self.scripts.append((given.get("type"), ""))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @property
    def given(self) -> dict[str, Any]:
        """What the page's script reads."""
        return json.loads(dict(self.scripts)["application/json"])

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        elif "style" in self.open:
            self.links += re.findall(r"url\(|@import|://", data)
        else:
            self.text += data
            if {"th", "td"} & set(self.open):
                self.rows[-1][-1] += data


def rendered() -> dict[str, str]:
    found, run = planted.evaluation()
    return {
        "spans": render(planted.spans(), None),
        "comparison": render(planted.comparison(), None),
        "evaluation": render(found, run),
    }


PAGES = rendered()
NAMES = pytest.mark.parametrize("name", PAGES)


@NAMES
def test_a_page_asks_for_nothing_and_runs_only_the_script_of_its_policy(name: str):
    page = Page(PAGES[name])
    assert page.links == []
    assert set(page.names).isdisjoint({"link", "img", "iframe", "object", "form", "base"})
    (allowed,) = re.findall(r"script-src ([^;]*)", page.policy)
    scripts = [text for kind, text in page.scripts if kind != "application/json"]
    assert set(allowed.split()) == {
        f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts
    }
    assert page.policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in page.policy
    assert [kind for kind, _ in page.scripts] == ["application/json", None, None]


@NAMES
def test_every_chart_has_its_place(name: str):
    page = Page(PAGES[name])
    charts = page.given["charts"]
    assert charts
    assert sorted(charts) == sorted(re.findall(r'<div id="(chart-\d+)"', PAGES[name]))


def test_a_page_without_charts_has_no_vega():
    page = Page(render_page("Plain", [el("p", "Nothing to draw.")]))
    assert sum(len(text) for _, text in page.scripts) < 20_000


@NAMES
def test_a_page_is_the_same_again(name: str):
    assert rendered()[name] == PAGES[name]


def test_figures_stand_beside_the_names_of_their_backends():
    rows = Page(PAGES["spans"]).rows
    (h100,) = [line for line in rows if line[:2] == ["h100", "16 x 1 s"]]
    assert {"14.7 s", "memory", "0.8 s", "80 %", "0.25 s", "31.2 x", "2.9 % [2.6, 3.2]", "15 / 7 / 7"} <= set(h100)
    (t4,) = [line for line in rows if line[0] == "t4" and "fitted" in line]
    assert t4[1:6] == ["16 x 1 s", "-", "compute", "2.3 s", "230 %"]
    (other,) = [line for line in rows if line[:2] == ["h100", "1 x 0.25 s"]]
    assert {"3.7 s", "launch", "9.4 % [8.5, 10.3]"} <= set(other)
    (five,) = [line for line in rows if line[0] == "5 s"]
    assert five[1:] == ["4.5 % [4.0, 5.0]", "4.1 % [3.7, 4.5]"]


def test_boundary_errors_and_latency_stand_beside_their_setting():
    rows = Page(PAGES["spans"]).rows
    (errors,) = [line for line in rows if line[0] == "disjoint 5 s"]
    # 18 of 100 words that are cut; 9, 4 and 4 of 300 others, and 2 of the last 4; 7, 2, 1, 0 of 1,000 words
    assert errors[1:] == ["4.5 %", "18.0 % of 100", "6.2 % of 304", "0.7 %", "0.2 %", "0.1 %", "0.0 %"]
    (late,) = [
        line for line in rows if line[0] == "h100: sliding 14.7 s, step 1 s" and "1.94 s / 2.9 s / 3.68 s" in line
    ]
    assert "0.125" in late


def test_every_setting_and_candidate_of_a_comparison_is_in_its_tables():
    results, rows = planted.comparison(), Page(PAGES["comparison"]).rows
    for row in results.rows:
        found = [line for line in rows if line[:3] == [row.backend, row.strategy, f"{row.window_s:g} s"]]
        assert any(f"{100 * (row.wer or 0):.1f} %" in " ".join(line) for line in found)
    (best,) = [line for line in rows if line[:4] == ["h100", "5 s", "sliding", "5 s"]]
    assert best[4:] == ["4.1 % [3.7, 4.6]", "4.75 s", "-2.1 [-3.4, -0.8]"]
    assert any("6.00, too slow" in line for line in rows if line[:2] == ["t4", "disjoint"])


def test_an_evaluation_names_speakers_recordings_and_words():
    page = Page(PAGES["evaluation"])
    assert ["speaker 1", "1", "4", "50.0 %", "12.5 %", "0 / 1 / 1"] in page.rows
    assert ["talk-0", "talks-clean", "speaker 0", "5", "20.0 %", "5.0 %", "1 / 0 / 0"] in page.rows
    assert ["fox", "box", "1"] in page.rows
    assert "talk-1: 2 errors in 4 words" in page.text
    assert '<del class="substituted">fox</del> <ins class="substituted">box</ins>' in PAGES["evaluation"]
    assert "talk-1: 2 errors" not in Page(render(planted.evaluation()[0], None)).text


@NAMES
def test_the_answer_the_warnings_and_the_origin_are_said(name: str):
    text = Page(PAGES[name]).text
    for said in (
        "The first sentence.", "The second.", "talk-7.flac: truncated", "they may not stand for others",
        planted.PROVENANCE.command, "ab" * 32, "9f" * 32, "abc1234", "123.5", "tiny.en", "large-v3", "4,202 words",
        "fitted (a model of the device with constants fitted to published measurements)", "planted aligner",
    ):  # fmt: skip
        assert said in text
    assert text.index("The first sentence.") < text.index("Measured")


@NAMES
def test_no_text_becomes_markup(name: str):
    found, _ = planted.evaluation()
    results = {"spans": planted.spans(), "comparison": planted.comparison(), "evaluation": found}[name]
    poisoned = render(planted.poison(results), None)
    honest, page = Page(render(results, None)), Page(poisoned)
    assert page.names.count("script") == honest.names.count("script")
    assert {kind: page.names.count(kind) for kind in ("td", "b", "title", "style")} == {
        kind: honest.names.count(kind) for kind in ("td", "b", "title", "style")
    }
    assert "<script>alert('x')</script>" in page.text
    assert not HIDDEN.search(poisoned)
    assert "<" not in dict(page.scripts)["application/json"]
    assert not HIDDEN.search(json.dumps(page.given, ensure_ascii=False))
    poisoned.encode()


def test_a_very_long_name_is_text_and_no_part_of_a_chart():
    long = "w" * 1_000_000
    results = planted.spans()
    rows = tuple(replace(row, backend=long) if row.backend == "l4" else row for row in results.rows)
    page = Page(render(replace(results, rows=rows), None))
    assert long in page.text
    assert len(dict(page.scripts)["application/json"]) < 200_000


@settings(deadline=None, max_examples=60)
@given(st.text(), st.text())
def test_escaped_text_reads_as_itself(text: str, attribute: str):
    page = el("p", text, title=attribute)
    read = Page(page).text
    assert read.split() == re.sub(r"[\ufffd]", " ", read).split() or "\ufffd" in read
    assert not HIDDEN.search(page)
    visible = [character for character in text if character.isalnum()]
    assert [character for character in read if character.isalnum()] == visible
    assert escape(page) is page
    assert isinstance(page, Markup)


def test_sparse_results_make_a_page():
    bare = replace(planted.spans(), rows=(), curves=(), gains=(), failed=(), warnings=(), summary=())
    page = Page(render(bare, None))
    assert page.given["charts"] == {}
    unaware = replace(bare, curves=planted.spans().curves)
    assert "32.4 % [29.2, 35.6]" in Page(render(unaware, None)).text


@pytest.mark.parametrize("wrong", ["wer", "window_s"])
def test_a_record_that_holds_something_else_makes_no_page(wrong: str):
    results = planted.spans()
    rows = tuple(replace(row, **{wrong: "no number"}) for row in results.rows)
    with pytest.raises((TypeError, ValueError)):
        render(replace(results, rows=rows), None)


def test_what_are_no_results_make_no_page():
    nothing: Any = {"comparison": None}
    with pytest.raises(AttributeError):
        render(nothing, None)
    assert isinstance(planted.spans(), Results)


def test_the_csv_of_a_page_is_the_figures_of_its_records():
    results = planted.spans()
    lines = list(csv.DictReader(io.StringIO(write_csv([row for row in results.rows if row.backend]))))
    h100 = next(line for line in lines if line["backend"] == "h100")
    assert float(h100["wer"]) == results.rows[2].wer
    assert float(h100["latency.p99_s"]) == results.rows[2].latency.p99_s
    assert (h100["errors.deletions"], h100["plan.span_s"], h100["load"]) == ("7", "14.7", "16x1")
    assert (lines[0]["wer"], lines[0]["latency.p50_s"]) == ("", "")
    assert write_csv([Failure("=HYPERLINK(1)", "-x")]).splitlines()[1] == "'=HYPERLINK(1),'-x"
