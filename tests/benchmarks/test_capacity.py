import json
from dataclasses import replace

import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.lpu.lpu import Lpu
from earspan.backends.registry import get_backend
from earspan.backends.serving.arrivals import Load
from earspan.backends.serving.cost import read_price
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks import cli
from earspan.benchmarks.capacity_claims import GPU_ERROR, LPU_ERROR, VARIATIONS, at_end, claims, varied
from earspan.benchmarks.capacity_page import render_capacity
from earspan.benchmarks.capacity_study import Slo, Study, batch_curve
from earspan.benchmarks.capacity_words import sentences
from earspan.benchmarks.frontier_chart import lines_of
from hypothesis import given
from hypothesis import strategies as st

QUICK = ("--timed-as", "small.en", "--backends", "l4,groq-v1x8", "--latencies", "1,2", "--windows", "5,10",
         "--streams", "2", "--max-batch", "16")  # fmt: skip


def study(*backends, prices=()):
    template = Workload(DIMENSIONS["small.en"])
    return Study([get_backend(name) for name in backends], template, Load(1, 10, 1), dict(map(read_price, prices)),
                 max_batch=16)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study of tiny.en, with a run that knows the WER of two windows, and a price for the LPU."""
    root = tmp_path_factory.mktemp("capacity")
    points = [{"window_s": 5.0, "wer": 0.2}, {"window_s": 20.0, "wer": 0.1}]
    curve = {"strategy": "sliding", "step_s": 1.0, "points": points}
    bench = {"schema": 1, "benchmark": "bench", "model": "tiny.en", "dataset": {"name": "talks"}, "curves": [curve]}
    (root / "bench").mkdir()
    (root / "bench" / "results.json").write_text(json.dumps(bench))
    wer = ("--wer", str(root / "bench"), "--tiers", "free=0.5:2,premium=0.5:1:0.16")
    assert cli.main(["capacity", *QUICK, *wer, "--price", "groq-v1=0.5..2", "--out", str(root / "out")]) == 0
    return root / "out"


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_results_hold_every_promise_of_every_backend(results):
    found = {(row["backend"], row["window_s"], row["slo_s"]) for row in results["points"]}
    assert found == {(name, w, s) for name in ("l4", "groq-v1x8") for w, s in ((10, 1), (10, 2), (5, 2))}
    for row in results["points"]:
        assert row["latency_p50_s"] <= row["latency_p99_s"] <= row["slo_s"]
        assert row["usd_per_audio_h"] == pytest.approx((0.8 if row["backend"] == "l4" else 8 * 1.0) / row["streams"])
        # straight over the logarithm of the window: 10 s is half way from 5 to 20
        assert row["wer"] == pytest.approx(0.2 if row["window_s"] == 5 else 0.15)


def test_more_time_carries_more_streams(results):
    streams = {(row["backend"], row["slo_s"]): row["streams"] for row in results["points"] if row["window_s"] == 10}
    assert streams["l4", 2] > streams["l4", 1] > 0
    assert streams["groq-v1x8", 2] > streams["groq-v1x8", 1] > 0


def test_claims_name_what_overturns_them(results):
    assert len(results["claims"]) == 3 * 2
    for row in results["claims"]:
        assert row["settled"] == (not row["others"])
        assert set(row["others"]) <= set(results["variations"])
        assert row["answer"] == min(row["figures"], key=row["figures"].__getitem__)
    text = " ".join(results["summary"])
    assert "Settled" in text or "Not settled by the model's accuracy" in text
    assert "WER is tiny.en's on talks" in text


def test_fleets_grow_and_are_checked(results):
    fleets = results["fleets"]
    assert [row["streams"] for row in fleets[1:]] == [10**power for power in range(1, 7)]
    assert all(row["checked"] for row in fleets)
    costs = [row["usd_per_h"] for row in fleets]
    assert costs == sorted(costs)
    assert fleets[-1]["usd_per_audio_h"] <= fleets[1]["usd_per_audio_h"]
    for row in fleets[1:]:
        held = sum(sum(group["streams"].values()) for group in row["groups"])
        assert held == row["streams"]


def test_page_is_closed_and_says_what_is_measured(folder, results, capsys):
    page = (folder / "capacity.html").read_text()
    assert page == render_capacity(results)
    assert "http" not in page.replace("http-equiv", "")
    for said in ("Cost against latency", "Cost against word error rate", "Interval of truth", "No accelerator ran"):
        assert said in page
    assert cli.main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_text() == page
    capsys.readouterr()
    (folder / "broken").mkdir()
    (folder / "broken" / "results.json").write_text(json.dumps({"benchmark": "capacity", "timed_as": "x"}))
    assert cli.main(["report", str(folder / "broken")]) == 2
    assert "not a whole capacity study" in capsys.readouterr().err


def test_without_price_or_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        cli.main(["capacity", *QUICK[:4], "--latencies", "2", "--windows", "10", "--max-batch", "4", "--out", "o"]) == 0
    )
    said = capsys.readouterr()
    assert "WER is left out" in said.err
    assert "The price of groq-v1 is not known: type --price groq-v1=USD" in said.out
    assert "groq-v1x8 costs as much as l4 at" in said.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tiers", "free=0.5:4"), "add up to 0.5; expected 1"),
        (("--tiers", "free=1"), "expected NAME=SHARE:LATENCY_S"),
        (("--tiers", "a=0.5:1,a=0.5:2"), "a name of its own"),
        (("--tiers", "free=1:4:0.1"), "asks for a WER; type --wer RUN"),
        (("--price", "h100=cheap"), "expected dollars per hour"),
        (("--windows", "40"), "expected at most 30 s"),
        (("--activity", "2"), "speech activity is 2"),
        (("--elasticity", "-1"), "elasticity -1"),
        (("--wer", "nowhere"), "type the folder of a run"),
        (("--timed-as", "larg-v3"), "did you mean"),
        (("--max-wait", "-1"), "at least 0"),
        (("--seed", "-1"), "whole number, 0 or more"),
    ],
)
def test_bad_input_is_one_line(options, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["--backends", "h100", "--latencies", "2", "--windows", "10", "--max-batch", "1"]
    assert cli.main(["capacity", *given, *options]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("earspan: ")
    assert said in error
    assert not (tmp_path / "runs").exists()


def test_break_even_price_makes_ends_meet():
    priced = study("l4", "groq-v1x8")
    slo = Slo(10, 2)
    gpu, lpu = (priced.best(backend, slo) for backend in priced.backends)
    assert gpu.usd_per_audio_h is not None
    price = priced.bills["groq-v1x8"].break_even_usd_per_h(lpu.streams, gpu.usd_per_audio_h)
    assert price is not None
    again = study("groq-v1x8", prices=[f"groq-v1={price}"])
    assert again.best(again.backends[0], slo).usd_per_audio_h == pytest.approx(gpu.usd_per_audio_h)


def alone_s(one):
    """Seconds of a call by station, for every backend of the study."""
    servers = [one.server(backend, 10) for backend in one.backends]
    return [server.alone_s(33) for server in servers if server is not None]


def test_variations_move_times_the_way_they_say():
    nominal = study("h100", "groq-v1x8", "h100+groq-v1x8")
    before = alone_s(nominal)
    slower, faster = 1 + GPU_ERROR, 1 - LPU_ERROR
    for times, found, factors in zip(
        before, alone_s(varied(nominal, VARIATIONS[0])), ((slower,), (faster,), (slower, faster)), strict=True
    ):
        assert found == pytest.approx([time * factor for time, factor in zip(times, factors, strict=True)])
    # the study itself is as it was
    assert alone_s(nominal) == before


def test_assumptions_at_both_ends():
    work = Workload(DIMENSIONS["small.en"], decode_tokens=33)
    for name in ("groq-v1x8", "h100+groq-v1x8"):
        backend = get_backend(name)
        seconds = [at_end(backend, end).time(work).seconds for end in ("best", "", "worst")]
        assert seconds == sorted(seconds)
        assert seconds[0] < seconds[2]
    gpu = get_backend("h100")
    assert at_end(gpu, "worst") is gpu
    sram = load_device("groq-v1").figures["sram_usable"]
    assert sram.range is not None
    worst = at_end(get_backend("groq-v1x8"), "worst")
    assert isinstance(worst, Lpu)
    assert worst.device["sram_usable"] == sram.range[0] * 1e6


def test_prices_at_both_ends():
    nominal = study("h100", "groq-v1x8", prices=["groq-v1=0.4..1.6"])
    by_name = {variation.prices: variation for variation in VARIATIONS if variation.prices}
    cheap_lpu, cheap_gpu = varied(nominal, by_name["LPU"]), varied(nominal, by_name["GPU"])
    assert cheap_lpu.bills["groq-v1x8"].usd_per_h() == pytest.approx(8 * 0.4)
    assert cheap_lpu.bills["h100"].usd_per_h() == pytest.approx(6.88)
    assert cheap_gpu.bills["groq-v1x8"].usd_per_h() == pytest.approx(8 * 1.6)
    assert cheap_gpu.bills["h100"].usd_per_h() == pytest.approx(2.69)


def test_a_claim_that_prices_overturn_is_not_settled():
    one = study("l4", "groq-v1x8", prices=["groq-v1=0.001..100"])
    by_dollars = next(claim for claim in claims(one, [Slo(10, 2)]) if claim.measure.startswith("dollars"))
    assert not by_dollars.settled
    assert {"GPU", "LPU"} == {by_dollars.answer, *by_dollars.others.values()}


def test_batch_curve_is_the_backends_own():
    one = study("h100")
    curve = batch_curve(one.backends[0], one)
    work = Workload(DIMENSIONS["small.en"], decode_tokens=33)
    for row in curve["rows"]:
        assert row["calls_per_s"] == pytest.approx(
            row["batch"] / one.backends[0].time(replace(work, batch=row["batch"])).seconds
        )
    assert [row["batch"] for row in curve["rows"]] == [2**power for power in range(9)]
    best = max(row["calls_per_s"] for row in curve["rows"])
    assert curve["rows"][curve["batch_90"].bit_length() - 1]["calls_per_s"] >= 0.9 * best


def test_a_backend_that_holds_no_call_and_a_window_without_error_leave_no_mark(folder, results):
    one = study("groq-v1x2")
    large = replace(one, template=Workload(DIMENSIONS["large-v3"]))
    curve = batch_curve(one.backends[0], large)
    assert curve["rows"] == []
    assert curve["batch_90"] is curve["largest"] is None
    points = [{**point, "wer": 0.0} for point in results["points"]]
    changed = {**results, "batches": [*results["batches"], curve], "points": points}
    assert "groq-v1x2 cannot hold one call" in " ".join(sentences(changed))
    assert "have no error, and no place on a logarithmic axis" in render_capacity(changed)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=8))
def test_dominated_points_are_those_that_another_beats(pairs):
    rest = {"backend": "b", "kind": "GPU", "streams": 1, "batch": 1.0, "window_s": 1, "slo_s": 1, "step_s": 1.0,
            "usd_per_audio_h": None, "joules_per_audio_h": None}  # fmt: skip
    rows = [{**rest, "x": x, "y": y} for x, y in pairs]
    (line,) = lines_of(rows, "x", "y")
    for dot in line.dots:
        better = [(x, y) for x, y in pairs if x <= dot.x and y <= dot.y and (x, y) != (dot.x, dot.y)]
        assert dot.dominated == bool(better)
