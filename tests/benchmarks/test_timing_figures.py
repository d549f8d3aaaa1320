"""The figures of seams and latency stand where the numbers say, and are left out where there are none."""

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.boundary_figures import boundary_section, errors_by_distance, settings_of, typical
from earspan.benchmarks.latency_figures import latency_section
from earspan.benchmarks.markup import Scale
from earspan.benchmarks.report_data import Node

from .test_report import RESULTS, changed, parse, row


def boundary_errors(errors: list[int], words: int = 100) -> dict:
    bounds = [(0.0, 0.0), (0.0, 0.1), (0.1, 8.0), (8.0, None)]
    curve = [
        {
            "from_s": low, "to_s": high, "wer": count / words, "substitutions": count, "deletions": 0, "insertions": 0,
            "ref_words": words if count else 3,
        }
        for (low, high), count in zip(bounds, errors, strict=True)
    ]  # fmt: skip
    return {"dropped": 7, "duplicated": 2, "hallucinated": 1, "looped": 0, "curve": curve}


def with_boundary() -> dict:
    results = changed()
    for curve in results["curves"]:
        for point in curve["points"]:
            point["boundary_errors"] = boundary_errors([50, 20, 10, 0])
    results["rows"][0] |= {
        "boundary_errors": boundary_errors([5, 5, 5, 5]),
        "latency_p99_s": 3.5,
        "first_word_p50_s": 0.5,
        "laal_ca_s": 2,
    }
    return results


def test_the_curve_stands_where_the_rates_are():
    found = settings_of(Node(with_boundary(), ""))
    assert [one.name for one in found[:2]] == ["disjoint, 1\u00a0s", "disjoint, 5\u00a0s"]
    drawn = typical(found)
    assert [(one.strategy, one.window_s) for one in drawn] == [("disjoint", 5.0), ("sliding", 1.0)]
    tree = parse(errors_by_distance(drawn))
    paths = [group.all("path", "point") for group in tree.all("g", "series")]
    assert [len(points) for points in paths] == [3, 3]  # the class of 3 words is left out
    heights = [float(point.attributes["d"].split()[1].split("a")[0]) for point in paths[0]]
    y = Scale(0, 0.5, 340, 40)
    assert heights == pytest.approx([y(0.5), y(0.2), y(0.1)])
    assert "cut through" in tree.text
    assert "over 8 s" in tree.text


def test_the_table_names_the_damage():
    section = boundary_section(Node(with_boundary(), ""))
    assert section is not None
    tree = parse(section)
    cells = [cell.text for cell in tree.all("tr")[2].all("td")]
    # WER of the point; 50 of 100 cut words, 30 of 203 others; 7, 2, 1, 0 of 1,000 words.
    assert cells[1:] == [
        "50.0\u00a0%100 words",
        "14.8\u00a0%203 words",
        "0.7\u00a0%",
        "0.2\u00a0%",
        "0.1\u00a0%",
        "0.0\u00a0%",
    ]


def test_latency_is_drawn_where_it_is_known():
    section = latency_section(Node(with_boundary(), ""))
    assert section is not None
    tree = parse(section)
    (dot,) = tree.all("circle", "dot")  # of the three rows, one has all percentiles
    (first,) = tree.all("circle", "mark")
    assert dot.number("cx") > first.number("cx")
    assert "95 %: 2.74\u00a0s" in tree.text
    assert len(tree.all("tbody")[0].all("tr")) == 3


def test_runs_without_the_figures_have_no_sections():
    assert boundary_section(Node(RESULTS, "")) is None
    assert latency_section(Node(RESULTS, "")) is None
    early = changed(rows=[row("early", 3.0, latency_p50_s=-2.0, latency_p95_s=-0.5, latency_p99_s=-0.1)])
    assert "−2\u00a0s" in parse(latency_section(Node(early, "")) or "").text


def test_what_is_no_figure_is_said_with_its_place():
    wrong = with_boundary()
    wrong["curves"][0]["points"][0]["boundary_errors"]["curve"][1]["ref_words"] = "many"
    with pytest.raises(InputError, match=r"curves\[0\]\.points\[0\]\.seams\.curve\[1\]\.ref_words is 'many'"):
        boundary_section(Node(wrong, ""))
