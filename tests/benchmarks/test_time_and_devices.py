import argparse
import json

import pytest
from earspan.backends.devices.files import FOLDER, device_names
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks import devices, time


def call(module, *argv, **kwargs):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return module.run(parser.parse_args(argv), **kwargs)


def test_time_prints_the_ceiling_before_the_prediction(capsys):
    assert call(time, "--model", "turbo", "--backend", "h100", "--audio", "10", "--tokens", "40") == 0
    out = capsys.readouterr().out
    timing = get_backend("h100").time(Workload(DIMENSIONS["turbo"], audio_s=10, decode_tokens=40))
    assert out.index(f"{timing.ceiling_s * 1e3:.3f} ms") < out.index(f"{timing.seconds * 1e3:.3f} ms")
    assert "simulated; fitted" in out
    for phase in timing.phases:
        assert f"{timing.phases[phase] * 1e3:.3f}" in out


def test_time_json_holds_the_timing_and_the_operations(capsys):
    argv = (
        "--model",
        "tiny.en",
        "--backend",
        "groq-v1",
        "--padding",
        "fit",
        "--audio",
        "4",
        "--batch",
        "2",
        "--json",
    )
    assert call(time, *argv) == 0
    answer = json.loads(capsys.readouterr().out)
    work = Workload(DIMENSIONS["tiny.en"], 2, 4.0, "fit", decode_tokens=14)
    assert answer["timing"]["seconds"] == get_backend("groq-v1").time(work).seconds
    assert sum(ops["flops"] for ops in answer["workload"]["ops"]) == sum(op.flops * op.count for op in work.ops())
    assert sum(ops["ops"] for ops in answer["workload"]["ops"]) == len(list(work.each_op()))


def test_time_reads_the_dimensions_of_a_checkpoint_from_its_file(capsys, tiny_checkpoint):
    assert call(time, "--model", str(tiny_checkpoint), "--tokens", "20", "--json") == 0
    assert json.loads(capsys.readouterr().out)["workload"]["dims"]["n_text_state"] == 64


@pytest.mark.parametrize(
    "argv",
    [("--model", "huge"), ("--backend", "h1000"), ("--audio", "31"), ("--batch", "0"), ("--tokens", "-1")],
)
def test_time_refuses_bad_input(argv, capsys):
    with pytest.raises(InputError):
        call(time, *argv)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("seconds", ["inf", "nan", "0", "ten"])
def test_time_refuses_what_is_no_length(seconds, capsys):
    with pytest.raises(SystemExit, match="2"):
        call(time, "--audio", seconds)
    assert "--audio" in capsys.readouterr().err


def test_devices_lists_all_of_them(capsys):
    assert call(devices) == 0
    out = capsys.readouterr().out
    for name in device_names():
        assert name in out
    assert "989 TFLOP/s" in out


def test_devices_shows_every_figure_with_its_source(capsys):
    assert call(devices, str(FOLDER / "l4.toml"), "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert call(devices, "l4") == 0
    out = capsys.readouterr().out
    for key, figure in record["figures"].items():
        assert key in out
        assert figure["source"][:60] in out


def test_devices_refuses_a_name_it_does_not_know():
    with pytest.raises(InputError, match="did you mean 'l40s'"):
        call(devices, "l40")
