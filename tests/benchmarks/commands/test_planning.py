"""`earspan time` and `earspan devices`: what the device models say by themselves."""

import json

import pytest
from earspan.backends.devices.files import FOLDER, device_names
from earspan.backends.registry import get_backend
from earspan.backends.validation.sensitivity import measure_sensitivity
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload

from ...backends.measured.planted import KEYS, encode_s, mel_s, planted_profile, prefill_s, step_s, written


def test_time_prints_the_ceiling_before_the_prediction(earspan):
    code, out, _ = earspan("time", "--model", "turbo", "--backend", "h100", "--audio", "10", "--tokens", "40")
    assert code == 0
    timing = get_backend("h100").time(Workload(DIMENSIONS["turbo"], audio_s=10, decode_tokens=40))
    assert out.index(f"{timing.ceiling_s * 1e3:.3f} ms") < out.index(f"{timing.seconds * 1e3:.3f} ms")
    assert "simulated; fitted" in out
    for phase in timing.phases:
        assert f"{timing.phases[phase] * 1e3:.3f}" in out


def test_time_of_a_profile_is_said_to_be_measured_with_what_it_is_from(earspan, tmp_path):
    path = written(planted_profile(), tmp_path / "cpu.json", warnings=("others were at work",))
    code, out, _ = earspan("time", "--backend", path, "--model", "tiny.en", "--audio", "10", "--tokens", "2")
    assert code == 0
    # two start marks are fed; no step was measured with fewer than ten tokens to attend to
    seconds = mel_s(10) + encode_s(1) + prefill_s(1, 2) + 2 * step_s(1, KEYS[0])
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if line.strip())
    assert lines["time"].startswith(f"{1e3 * seconds:.1f} ms")
    assert lines["p99"].startswith(f"{1e3 * 1.1 * seconds:.1f} ms")
    assert lines["encode"].split()[0] == f"{1e3 * encode_s(1):.2f}"
    assert lines["warning"] == "others were at work"
    assert str(path) in lines["all"]
    assert not {"ceiling", "prediction"} & lines.keys()  # nothing of it is simulated


def test_time_json_holds_the_timing_and_the_operations(earspan):
    argv = "--model tiny.en --backend groq-v1 --padding fit --audio 4 --batch 2 --json".split()
    code, out, _ = earspan("time", *argv)
    answer = json.loads(out)
    assert code == 0
    work = Workload(DIMENSIONS["tiny.en"], 2, 4.0, "fit", decode_tokens=14)
    assert answer["timing"]["seconds"] == get_backend("groq-v1").time(work).seconds
    assert sum(ops["flops"] for ops in answer["workload"]["ops"]) == sum(op.flops * op.count for op in work.ops())
    assert sum(ops["ops"] for ops in answer["workload"]["ops"]) == len(list(work.each_op()))


def test_time_reads_the_dimensions_of_a_checkpoint_from_its_file(earspan, tiny_checkpoint):
    _, out, _ = earspan("time", "--model", tiny_checkpoint, "--tokens", "20", "--json")
    assert json.loads(out)["workload"]["dims"]["n_text_state"] == 64


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--model", "huge"), "unknown model 'huge'"),
        (("--backend", "h1000"), "did you mean 'h100'"),
        (("--audio", "31"), "31"),
        (("--batch", "0"), "0"),
        (("--tokens", "-1"), "-1"),
        *((("--audio", text), "--audio") for text in ("inf", "nan", "0", "ten")),
    ],
)
def test_time_refuses_bad_input_in_one_line(earspan, argv, expected):
    code, out, err = earspan("time", *argv)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert expected in err


def test_sensitivity_names_the_assumptions_behind_a_time(earspan):
    code, out, _ = earspan("time", "--model", "tiny", "--backend", "groq-v1x16", "--sensitivity")
    table = out.split("How much the time depends")[1]
    rows = {
        row.figure: row for row in measure_sensitivity("groq-v1x16", Workload(DIMENSIONS["tiny"], decode_tokens=99))
    }
    assert code == 0
    assert rows
    for name, row in rows.items():
        assert f"{row.at_least_s * 1e3:.3f}" in next(line for line in table.splitlines() if f" {name} " in line)


def test_devices_lists_all_of_them(earspan):
    code, out, _ = earspan("devices")
    assert code == 0
    for name in device_names():
        assert name in out
    assert "989 TFLOP/s" in out


def test_devices_shows_every_figure_with_its_source(earspan):
    record = json.loads(earspan("devices", FOLDER / "l4.toml", "--json")[1])
    _, out, _ = earspan("devices", "l4")
    for key, figure in record["figures"].items():
        assert key in out
        assert figure["source"][:60] in out


def test_devices_refuses_a_name_it_does_not_know(earspan):
    code, out, err = earspan("devices", "l40")
    assert (code, out) == (2, "")
    assert "did you mean 'l40s'" in err
