"""The reference curve as picture and Markdown, and what the terminal shows."""

from dataclasses import replace
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.report.curve import draw_curve, write_curve_page
from earspan.benchmarks.report.tables.evaluation import find_excerpts
from earspan.benchmarks.report.tables.series import conclude
from earspan.benchmarks.report.tables.spans import list_gains, list_loads, list_played
from earspan.benchmarks.report.terminal import print_results, print_series, show_table
from earspan.benchmarks.results.evaluation import WordPair
from earspan.benchmarks.results.records import Gain
from earspan.speech.metrics.align import HIT, SUBSTITUTION

from . import planted
from .planted import DIFFERENCE


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<svg"), (".html", b"<!doctype html>")])
def test_a_picture_of_each_kind(suffix: str, start: bytes, tmp_path: Path):
    path = tmp_path / "new" / f"curve{suffix}"
    draw_curve(planted.series(), path)
    assert path.read_bytes().startswith(start)


def test_another_kind_of_picture_and_a_place_that_is_no_folder_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"\.jpg; expected \.png"):
        draw_curve(planted.series(), tmp_path / "curve.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        draw_curve(planted.series(), tmp_path / "file" / "curve.svg")


def test_the_page_of_the_curve_has_every_rate_with_its_counts():
    lines = write_curve_page(planted.series()).splitlines()
    assert "| talks-clean, first 40 s | tiny.en | disjoint | 30.0 | - | 5.0 | 2.0 | 1.0 |" in lines
    (five,) = [line for line in lines if line.startswith("| 5 s |")]
    assert "| 5.0 | [4.0, 6.0] | 25 / 10 / 10 | -25.0 [-30.0, -20.0] | 10 | 50.0 / 5.0 |" in five
    assert any(line.startswith("| **Earspan: tiny.en, disjoint, talks-clean** | 30.0 |") for line in lines)
    assert any("Radford et al. 2022" in line and "| 5.66 |" in line for line in lines)


def test_a_name_ends_no_cell_of_the_page():
    hostile = tuple(replace(one, model="a|b\n| c\x1b") for one in planted.series())
    lines = write_curve_page(hostile).splitlines()
    (row,) = [line for line in lines if line.startswith("| talks-clean, first 40 s |") and "30.0" in line]
    assert "| a\\|b \\| c\ufffd | disjoint |" in row


def test_what_follows_from_a_series():
    tiny, _, offline = planted.series()
    assert conclude(offline) == []
    assert "falls by a factor of 15.0, from 30.0 % to 2.0 %" in conclude(tiny)[0]
    worse = replace(tiny, points=(tiny.points[2], replace(tiny.points[0], window_s=31.0)))
    assert any("it rises: +28.0 points" in sentence for sentence in conclude(worse))


def test_stretches_of_errors_that_meet_are_one():
    pairs = [WordPair(SUBSTITUTION if at in (0, 9, 30) else HIT, str(at), str(at)) for at in range(40)]
    assert [[int(pair.reference) for pair in stretch] for stretch in find_excerpts(pairs)] == [
        [*range(14)], [*range(26, 35)],
    ]  # fmt: skip
    assert find_excerpts([]) == []


def words(out: str, name: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if line.split()[:1] == [name]]


def test_the_terminal_shows_spans_with_their_rates(capsys: pytest.CaptureFixture[str]):
    print_results(planted.spans(), Path("runs/mine"))
    out = capsys.readouterr().out
    *_, h100 = words(out, "h100")
    assert " ".join(h100).startswith("h100 14.7 s memory 0.25 s 0.8 s 2.9 % [2.6, 3.2] 14.7 s 1.94 /")
    for said in ("The first sentence.", "warning: 9 recordings", "failed: talk-7.flac: truncated",
                 "runs/mine/report.html"):  # fmt: skip
        assert said in out


def test_spans_under_other_loads_are_shown_with_the_window_that_was_heard(capsys: pytest.CaptureFixture[str]):
    tiny = replace(planted.plan("h100", 2.5, load="1x0.25"), model="tiny.en")
    own = tuple(
        planted.row("h100", 2.0, 0.094, load=load, plan=replace(tiny, load=load)) for load in ("1x0.25", "16x1")
    )
    print_results(replace(planted.spans(), as_heard=own), Path("runs/mine"))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    limits, spans, itself = (next(at for at, line in enumerate(lines) if line.startswith(said)) for said in (
        "What limits the span of large-v3", "Span of large-v3 by load", "Text and time of one Whisper: Span of tiny.en"
    ))  # fmt: skip
    assert lines[limits + 1 : limits + 4] == [
        "Load t4 l4 h100 groq-v1x16", "1 x 0.25 s launch", "16 x 1 s * compute memory memory nothing",
    ]  # fmt: skip
    assert lines[spans + 2 : spans + 4] == [
        "1 x 0.25 s 3.7 (2: 9.4)", "16 x 1 s * none 4.9 (4.9: 5.6) 14.7 (14.7: 2.9) 30 (30: 2.6)",
    ]  # fmt: skip
    assert lines[itself + 2 : itself + 4] == ["1 x 0.25 s 2.5 (2: 9.4)", "16 x 1 s * 2.5 (2: 9.4)"]


def test_the_answer_at_a_glance_fits_a_terminal_of_120_columns():
    rows = tuple(
        planted.row(name, 20.0, 0.105, load=load, latency=planted.latency(1.94), wer_ci95=(0.086, 0.148),
                    plan=planted.plan(name, 28.4, load=load, limited_by="capacity", ceiling_s=0.0944))
        for load in ("16x1", "256x0.25")
        for name in ("t4", "l4", "a100", "h100", "b200", "groq-v1x16")
    )  # fmt: skip
    results = replace(planted.spans(), rows=rows)
    gain = Gain(2.0, 28.4, (0.105, 0.015), DIFFERENCE, "large-v3", "128x0.25", ("l4",), ("a100", "h100", "groq-v1x16"))
    for table in (list_played(results.played), *list_loads(rows, "16x1"), list_gains([gain], "sliding")):
        assert table
        cells = [tuple(column.rstrip(">") for column in table.columns), *table.rows]
        widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
        assert sum(widths) + 3 * (len(widths) - 1) <= 120, (table.title, widths)


def test_the_terminal_shows_strategies_and_the_best_in_a_budget(capsys: pytest.CaptureFixture[str]):
    print_results(planted.comparison(), Path("runs/mine"))
    out = capsys.readouterr().out
    assert any(line[:4] == ["t4", "disjoint", "1", "s"] and "6.00," in line for line in words(out, "t4"))
    assert any(line[1:5] == ["5", "s", "sliding", "5"] for line in words(out, "h100"))


def test_the_terminal_shows_an_evaluation_word_by_word(capsys: pytest.CaptureFixture[str]):
    results, run = planted.evaluation()
    print_results(results, Path("runs/mine"), run, errors=1)
    out = capsys.readouterr().out
    assert "REF: over the lazy *** dog" in out
    assert "HYP: over *** lazy dog dog" in out
    assert "fox" not in out
    assert "33.3 % [20.0, 50.0]" in out


def test_a_series_is_a_table_and_sentences(capsys: pytest.CaptureFixture[str]):
    print_series(planted.series()[0])
    out = capsys.readouterr().out
    assert any(line[:3] == ["5", "s", "5.0"] for line in words(out, "5"))
    assert "falls by a factor of 15.0" in out


def test_a_terminal_obeys_no_name(capsys: pytest.CaptureFixture[str]):
    hostile = "\x1b]0;owned\x07\x1b[2Jname\u202e[bold]\r\nwarning: none"
    show_table(hostile, [f"{hostile}>"], [[hostile]])
    results = planted.spans()
    rows = tuple(replace(row, backend=hostile) for row in results.rows)
    print_results(replace(results, rows=rows, warnings=(hostile,), summary=(hostile,)), Path("runs/mine"))
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(out)
    assert not any(line.startswith("warning: none") for line in out.splitlines())
    assert "name\ufffd[bold] warning: none" in out
