import argparse

import pytest
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks.commands import speed
from earspan.benchmarks.speed.batch import Effect, batch_effect, batch_effects

CALL = Workload(DIMENSIONS["turbo"], decode_tokens=20)


def test_a_gpu_wants_a_larger_batch_than_an_lpu():
    gpu, lpu = (batch_effect(get_backend(name), CALL, 20) for name in ("h100", "groq-v1x32"))
    assert gpu is not None
    assert lpu is not None
    assert gpu.batch_for_90_percent >= 4 * lpu.batch_for_90_percent
    first = get_backend("h100").time(CALL).phases["decode"]
    assert gpu.tokens_per_s[0] == (1, 20 / first)
    assert batch_effect(get_backend("groq-v1x2"), CALL, 20) is None


def test_the_smallest_batch_near_the_most_by_hand():
    row = Effect("x", ((1, 10.0), (2, 50.0), (4, 91.0), (8, 100.0)), "speed")
    assert (row.tokens_per_s_alone, row.tokens_per_s_at_most, row.batch_for_90_percent) == (10.0, 100.0, 4)


def test_the_table_and_the_figure_show_every_decoder(tmp_path, capsys):
    out, parser = tmp_path / "batch.html", argparse.ArgumentParser()
    speed.add_speed_arguments(parser)
    argv = ["batch", "--model", "tiny", "--backends", "h100,groq-v1x2", "--decoders", "moe:experts=4", "--out", out]
    assert speed.run_speed(parser.parse_args(list(map(str, argv)))) == 0
    assert capsys.readouterr().out.count("groq-v1x2") == 2
    page = out.read_text()
    assert page.count("groq-v1x2") >= 2
    assert "moe:experts=4" in page


def test_an_unknown_decoder_is_refused():
    with pytest.raises(InputError, match="nothing"):
        batch_effects("tiny", ["h100"], ["nothing"])
