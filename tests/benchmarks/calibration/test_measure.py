import argparse
import json

import pytest
import torch
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks.calibration import measure, tasks
from earspan.benchmarks.commands import calibrate


@pytest.fixture
def run():
    """Run `earspan calibrate measure`; gives the exit code."""

    def answer(*argv: object) -> int:
        parser = argparse.ArgumentParser()
        calibrate.add_calibrate_arguments(parser)
        return calibrate.run_calibrate(parser.parse_args(["measure", "--device", "cpu", *map(str, argv)]))

    return answer


def test_on_the_cpu_every_phase_and_kernel_is_timed_and_predicted(tmp_path, run):
    out = tmp_path / "measured.json"
    given = ["--models", "tiny", "--batches", 1, "--positions", 16, "--repeats", 1, "--calls", 5]
    assert run(*given, "--backend", "l4", "--out", out) == 0
    record = json.loads(out.read_text())
    assert torch.__version__.startswith(record["environment"]["packages"]["torch"])
    phases = {run["name"]: run for run in record["runs"] if run["kind"] == "phase"}
    assert phases.keys() == {"encode", "prefill", "decode"}
    work = Workload(DIMENSIONS["tiny"], 1, 0.32, "fit", 4, 1)
    for name, run in phases.items():
        assert run["p99_s"] >= run["median_s"] > 0
        assert run["predicted_s"] == pytest.approx(get_backend("l4-eager").time(work).phases[name])
    kinds = {run["name"].split()[0] for run in record["runs"] if run["kind"] == "kernel"}
    assert kinds == {"matmul", "logits", "conv1d", "attention", "layer_norm", "gelu"}
    host = {run["name"]: run["median_s"] for run in record["host"]}
    assert len(host) == 5
    assert host["launch of a kernel"] < host["log-mel of 30 s on the host"]
    (scatter,) = record["scatter"]
    assert (scatter["model"], scatter["batch"]) == ("tiny", 1)
    assert 3 <= scatter["runs"] <= 5  # of five calls, as many as its share of the budget allows, three at least
    assert scatter["p99_s"] >= scatter["p50_s"] > 0
    assert record["left_out"] == []


def test_the_run_keeps_to_its_budget_and_says_what_it_left_out(tmp_path, run):
    out = tmp_path / "measured.json"
    given = ["--models", "tiny", "base", "--batches", 1, 2, "--positions", 16, "--repeats", 1, "--calls", 1]
    assert run(*given, "--budget", 1e-6, "--out", out) == 0
    record = json.loads(out.read_text())
    assert [(one["model"], one["batch"]) for one in record["left_out"]] == [
        (m, b) for m in ("tiny", "base") for b in (1, 2)
    ]
    assert record["runs"] == []


def test_what_takes_long_is_run_three_times_and_what_does_not_as_often_as_asked():
    calls = []
    measure.time_task(lambda: calls.append(0), "cpu", 20, 60.0)
    assert len(calls) == 20 + 3
    calls.clear()
    measure.time_task(lambda: calls.append(0), "cpu", 20, 1e-9)
    assert len(calls) == 3 + 1


@torch.inference_mode()
def test_the_static_cache_gives_attention_its_keys():
    model = tasks.make_model(DIMENSIONS["tiny"], 16, "cpu")
    seen = []
    first = next(iter(model.decoder.blocks)).attn
    attention = first.qkv_attention

    def spy(q, k, v, mask=None):
        seen.append((tuple(q.shape), tuple(k.shape), tuple(v.shape)))
        return attention(q, k, v, mask)

    first.qkv_attention = spy
    plan = measure.Plan("cpu", None, ("tiny",), (2,), 16, 1, 0.1, 1.0, 1)
    timed = measure._time_size(plan, "tiny", model, 2, set())
    assert [one.name for one in timed if one.kind == "phase"] == ["encode", "prefill", "decode"]
    # one query of each of two calls, against the prompt's keys; prefill comes before
    assert seen[-1] == ((2, 1, 384), (2, 4, 384), (2, 4, 384))


@torch.inference_mode()
def test_the_phases_run_in_half_precision_as_on_a_gpu():
    model = tasks.halve_weights(tasks.make_model(DIMENSIONS["tiny"], 16, "cpu"))
    for name, run in tasks.list_phases(model, 1, 16, "cpu", torch.float16):
        out = run()
        assert isinstance(out, torch.Tensor)
        assert out.shape == {"encode": (1, 16, 384), "prefill": (1, 4, 51865), "decode": (1, 1, 51865)}[name]


@pytest.mark.parametrize(
    "argv",
    [["--models", "huge"], ["--batches", "0"], ["--positions", "1501"], ["--backend", "h1000"], ["--budget", "0"]],
)
def test_bad_input_is_refused(argv, tmp_path, run):
    out = tmp_path / "out.json"
    with pytest.raises(InputError):
        run(*argv, "--out", out)
    assert not out.exists()
