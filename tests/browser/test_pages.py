"""Pages in a browser: quiet and closed, linked, sortable, saved, restored from their address, and open to everyone."""

import csv
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from earspan.benchmarks.capacity.page import render_capacity
from earspan.benchmarks.capacity.records import CapacityStudy, read_study
from earspan.benchmarks.commands import cli
from earspan.benchmarks.measure.page import render_measured
from earspan.benchmarks.recommend.answer import recommend
from earspan.benchmarks.recommend.page import render_recommendation
from earspan.benchmarks.report.explorer import draw_explorer
from earspan.benchmarks.report.page import el, render_page
from earspan.benchmarks.report.render import render
from earspan.benchmarks.results.records import RecordingScore, Results, write_results
from earspan.speech.metrics.wer import ErrorRate

from ..benchmarks.measure.planted import measured
from ..benchmarks.report import planted

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: set CHROMIUM to its path")
NAMES = pytest.mark.parametrize(
    "name", ["spans", "comparison", "evaluation", "capacity", "explorer", "measured", "recommend"]
)
EXPLORED = (
    {"backend": "a", "latency_p99_s": 0.5, "usd_per_audio_h": 0.4, "wer": 0.05, "streams": 4, "window_s": 5.0},
    {"backend": "a", "latency_p99_s": 2.0, "usd_per_audio_h": 0.2, "wer": 0.04, "streams": 8, "window_s": 10.0},
    {"backend": "b", "latency_p99_s": 2.5, "usd_per_audio_h": 0.3, "wer": 0.03, "streams": 6, "window_s": 10.0},
    {"backend": "mine", "latency_p99_s": 4.0, "usd_per_audio_h": 0.1, "wer": 0.02, "streams": 2, "own": True},
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> CapacityStudy:
    root = tmp_path_factory.mktemp("capacity")
    write_results(root / "bench", planted.spans())
    given = ["--timed-as", "tiny.en", "--backends", "l4,h100", "--latencies", "1,2", "--windows", "10",
             "--loads", "1x1", "--max-batch", "2", "--wer", str(root / "bench")]  # fmt: skip
    assert cli.main(["capacity", *given, "--out", str(root / "out")]) == 0
    return read_study(root / "out")


@pytest.fixture(scope="module")
def pages(study: CapacityStudy) -> dict[str, str]:
    found, run = planted.evaluation()
    return {
        "spans": render(planted.spans(), None),
        "comparison": render(planted.comparison(), None),
        "evaluation": render(found, run),
        "capacity": render_capacity(study),
        "measured": render_measured(measured()),
        "recommend": render_recommendation(recommend(streams=40, backends=("l4", "h100"))),
        "explorer": render_page("Explorer", [el("h1", "Explorer"), draw_explorer(EXPLORED, equal={"window_s": None})]),
    }


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def show(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page and waits for its charts; in the end nothing may have been complained of, and nothing asked for."""
    said: list[str] = []
    asked: list[str] = []
    opened: list[Any] = []

    def open_page(content: str, fragment: str = "", **settings: Any) -> Any:
        path = tmp_path / f"{len(opened)}.html"
        path.write_text(content, encoding="utf-8")
        page = chromium.new_context(**settings).new_page()
        opened.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector("html[data-drawn]")
        return page

    yield open_page
    for page in opened:
        page.context.close()
    assert said == []
    assert {url.split("#")[0] for url in asked if not url.startswith("blob:")} == {
        (tmp_path / f"{number}.html").as_uri() for number in range(len(opened))
    }


def box(page: Any, name: str) -> Any:
    return page.get_by_role("combobox", name=name)


def marks(page: Any, chart: int, name: str) -> Any:
    """The marks of a chart that are told to be of `name`."""
    return page.locator(f'#chart-{chart} path[aria-label*="{name}"]')


@NAMES
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 400)])
def test_a_page_draws_every_chart_fits_its_place_and_is_quiet(
    name: str, scheme: Any, width: int, pages: dict[str, str], show: Callable[..., Any]
):
    page = show(pages[name], viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert page.locator(".chart").count() == page.locator(".chart svg").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(16, 20, 25)" if scheme == "dark" else "rgb(255, 255, 255)")


@NAMES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_problem(name: str, scheme: Any, pages: dict[str, str], show: Callable[..., Any]):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = show(pages[name], color_scheme=scheme)
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    found = axe.Axe().run(page).response["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in bad] == []


def test_what_is_pointed_at_says_the_figures_of_its_record(pages: dict[str, str], show: Callable[..., Any]):
    page = show(pages["spans"])
    marks(page, 0, "l4").first.hover()
    told = page.locator("#vg-tooltip-element.visible").inner_text()
    for figure in ("4.9 s, memory", "5.6 % [5.0, 6.1]", "28 / 14 / 14", "1.45 s / 2.17 s / 2.75 s", "0.8 s, 80 %"):
        assert figure in told


def test_a_name_that_is_chosen_anywhere_is_chosen_everywhere(pages: dict[str, str], show: Callable[..., Any]):
    page = show(pages["spans"])

    def are_dim(name: str) -> set[bool]:
        found = page.evaluate(
            """name => [...document.querySelectorAll(`.chart path[aria-label*="Setting: ${name}"]`)]
                .map((mark) => Number(mark.getAttribute("opacity") ?? 1) < 0.5)""", name)  # fmt: skip
        assert len(found) > 4
        return set(found)

    assert are_dim("l4") == are_dim("h100") == {False}
    page.locator(".legend button", has_text="h100").nth(1).click()
    page.wait_for_url(lambda url: url.endswith("#backend=h100"))
    assert (are_dim("h100"), are_dim("l4")) == ({False}, {True})
    pressed = page.locator('button[aria-pressed="true"]')
    assert pressed.count() > 4
    assert {text.split()[-1] for text in pressed.all_text_contents()} == {"h100"}
    page.locator("tbody th button", has_text="l4").first.press("Enter")
    assert (are_dim("h100"), are_dim("l4"), are_dim("groq-v1x16")) == ({False}, {False}, {True})
    marks(page, 0, "h100").first.click()
    page.wait_for_url(lambda url: url.endswith("#backend=l4"))
    assert are_dim("h100") == {True}


def test_tables_are_sorted_by_mouse_and_keyboard_with_gaps_last(pages: dict[str, str], show: Callable[..., Any]):
    page = show(pages["spans"])
    table = page.get_by_role("region", name="All figures")

    def column() -> list[str]:
        return table.locator("tbody td:nth-child(3)").all_inner_texts()

    head = table.locator("th", has_text="Span")
    assert column() == ["-", "4.9 s", "14.7 s", "30 s", "3.7 s"]
    head.get_by_role("button").click()
    assert (column(), head.get_attribute("aria-sort")) == (["3.7 s", "4.9 s", "14.7 s", "30 s", "-"], "ascending")
    head.get_by_role("button").press("Enter")
    assert (column(), head.get_attribute("aria-sort")) == (["30 s", "14.7 s", "4.9 s", "3.7 s", "-"], "descending")
    table.get_by_role("button", name="Limited by").press("Space")
    assert head.get_attribute("aria-sort") is None


def test_what_is_saved_is_what_the_records_hold(pages: dict[str, str], show: Callable[..., Any]):
    page = show(pages["spans"], accept_downloads=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename == "all-figures.csv"
    lines = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    rows = planted.spans().rows
    assert [line["backend"] for line in lines] == [row.backend for row in rows]
    for line, row in zip(lines, rows, strict=True):
        assert (float(line["wer"]) if line["wer"] else None) == row.wer
        assert (float(line["plan.span_s"]) if line["plan.span_s"] else None) == row.span_s
        assert line["latency.p95_s"] == str(row.latency.p95_s if row.latency else "")


def test_an_address_shows_the_same_view_again(pages: dict[str, str], show: Callable[..., Any]):
    page = show(pages["explorer"])
    box(page, "Across").select_option("wer")
    box(page, "Up").select_option("streams")
    box(page, "Window").select_option("10")
    page.locator(".legend button", has_text="b").first.click()
    slider = page.get_by_role("slider")
    slider.press("ArrowLeft")
    fragment = page.evaluate("location.hash")
    assert {"x=wer", "y=streams", "window_s=10", "backend=b"} < set(fragment[1:].split("&"))
    again = show(pages["explorer"], fragment)
    for label in ("Across", "Up", "Window"):
        assert box(again, label).input_value() == box(page, label).input_value()
    assert again.get_by_role("slider").input_value() == slider.input_value() == "6"
    assert again.locator('.legend button[aria-pressed="true"]').all_inner_texts() == ["■ b"]
    assert again.locator("#chart-0 svg").text_content() == page.locator("#chart-0 svg").text_content()
    assert "streams per backend" in again.locator("#chart-0 svg").text_content()
    again.evaluate("location.hash = '#x=latency_p99_s&y=nonsense'")
    sync_api.expect(again.locator("[name=x]")).to_have_value("latency_p99_s")
    assert box(again, "Up").input_value() == "usd_per_audio_h"


def test_the_slider_keeps_words_within_its_limit_and_what_is_beaten_is_pale(
    pages: dict[str, str], show: Callable[..., Any]
):
    page = show(pages["explorer"])

    def shown() -> dict[str, float]:
        """Opacity by cost."""
        found = page.evaluate(
            """[...document.querySelectorAll('#chart-0 path[aria-label*="backend:"]')]
                .map((mark) => [mark.getAttribute("aria-label"), mark.getAttribute("opacity")])""")  # fmt: skip
        return {re.findall(r"hour of audio: ([\d.]+)", said)[0]: float(opacity or 1) for said, opacity in found}

    assert shown() == {"0.4": 1, "0.2": 1, "0.3": 0.3, "0.1": 1}
    assert page.locator("output").inner_text() == "any"
    slider = page.get_by_role("slider")
    slider.press("ArrowLeft")
    assert page.locator("output").inner_text() == "4 s"
    slider.press("ArrowLeft")
    sync_api.expect(page.locator('#chart-0 path[aria-label*="backend:"]')).to_have_count(3)
    assert page.locator("output").inner_text() == "3 s"
    slider.press("Home")
    sync_api.expect(page.locator('#chart-0 path[aria-label*="backend:"]')).to_have_count(1)
    assert shown() == {"0.4": 1}


def test_own_runs_are_laid_over_and_stay_in_the_browser(
    pages: dict[str, str], show: Callable[..., Any], tmp_path: Path
):
    rows = tuple(replace(row, backend=f"</script><b>{row.backend}") for row in planted.spans().rows)
    write_results(tmp_path / "mine", replace(planted.spans(), rows=rows))
    page = show(pages["explorer"], "#x=wer&y=streams")
    before = page.locator('#chart-0 path[aria-label*="backend:"]').count()
    page.get_by_label("Own runs").set_input_files(tmp_path / "mine" / "results.json")
    # not `wait_for_function`: its predicate is evaluated in the page, whose policy forbids that
    page.locator('#chart-0 path[aria-label*="backend:"]').nth(before).wait_for(state="attached")
    assert page.locator('#chart-0 path[aria-label*="</script><b>h100"]').count() == 2
    (tmp_path / "other.json").write_text("[]")
    page.get_by_label("Own runs").set_input_files(tmp_path / "other.json")
    page.get_by_text("That is not the results.json of a run.").wait_for()


def test_hostile_text_is_shown_as_text_and_the_page_works(study: CapacityStudy, show: Callable[..., Any]):
    long = "w" * 1_000_000
    results = planted.poison(planted.spans())
    rows = tuple(replace(row, backend=long) if number == 1 else row for number, row in enumerate(results.rows))
    page = show(render(replace(results, rows=rows), None))
    assert "<script>alert('x')</script>" in page.locator("h1 ~ *, .summary").first.inner_text() + page.title()
    assert long in page.locator("tbody").first.inner_text() + page.locator("main").inner_text()
    page.locator(".legend button").nth(0).click()
    assert page.locator('button[aria-pressed="true"]').count() > 2
    page.get_by_role("region", name="All figures").get_by_role("button", name="Span").click()
    show(render(planted.poison(planted.comparison()), None))
    show(render(planted.poison(planted.evaluation()[0]), None))
    show(render_capacity(planted.poison(study)))
    found = recommend(streams=4, backends=("l4", "h100"))  # what was asked is checked, and holds nothing hostile
    show(render_recommendation(replace(found, data=planted.poison(found.data), choices=planted.poison(found.choices))))


def many() -> Results:
    """100 recordings, 10 backends, 7 loads."""
    found, _ = planted.evaluation()
    assert found.evaluation
    backends = [f"backend-{number}" for number in range(10)]
    loads = ("16x1", "1x0.25", "16x0.25", "1x1", "64x1", "128x1", "256x2")
    rows = tuple(
        planted.played(one, 3.0 + number, 0.05, load=load, plan=planted.plan(one, 3.0 + number, load=load,
                       schedule=planted.SCHEDULE if load == "16x1" and number > 7 else ()))
        for load in loads for number, one in enumerate(backends)
    )  # fmt: skip
    scores = [RecordingScore(f"talk-{n}", f"speaker {n}", "talks-clean", 0.1, ErrorRate(5, 3, 2, 100), 0.03)
              for n in range(100)]  # fmt: skip
    return replace(found, rows=rows, curves=planted.spans().curves,
                   evaluation=replace(found.evaluation, by_recording=tuple(scores)))  # fmt: skip


def test_a_large_report_is_small_and_opens_soon(show: Callable[..., Any], capsys: pytest.CaptureFixture[str]):
    evaluated = many()
    for name, results in (("evaluation", evaluated), ("spans", replace(evaluated, evaluation=None))):
        content = render(results, None)
        page = show(content)
        took_s = page.evaluate("performance.getEntriesByName('drawn')[0].startTime") / 1000
        with capsys.disabled():
            size = len(content.encode()) / 1e6
            print(f"\n{name}, 100 recordings, 10 backends, 7 loads: {size:.2f} MB, drawn after {took_s:.2f} s")
        assert len(content.encode()) < 3e6
