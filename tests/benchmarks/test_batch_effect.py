from earspan.backends.registry import get_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks import batch_effect

CALL = Workload(DIMENSIONS["turbo"], decode_tokens=20)


def test_a_gpu_wants_a_larger_batch_than_an_lpu():
    gpu, lpu = (batch_effect.effect(get_backend(name), CALL, 20) for name in ("h100", "groq-v1x32"))
    assert gpu is not None
    assert lpu is not None
    assert gpu.enough >= 4 * lpu.enough
    first = get_backend("h100").time(CALL).phases["decode"]
    assert gpu.tokens_per_s[0] == (1, 20 / first)
    assert batch_effect.effect(get_backend("groq-v1x2"), CALL, 20) is None


def test_the_smallest_batch_near_the_most_by_hand():
    row = batch_effect.Effect("x", ((1, 10.0), (2, 50.0), (4, 91.0), (8, 100.0)), False)
    assert (row.most, row.enough) == (100.0, 4)


def test_the_figure_shows_every_decoder_and_stands_alone(tmp_path):
    out = tmp_path / "batch.html"
    argv = ["--model", "tiny", "--backends", "h100,groq-v1x2", "--decoders", "moe:experts=4", "--out", str(out)]
    assert batch_effect.main(argv) == 0
    page = out.read_text()
    assert page.count("groq-v1x2") >= 2
    assert "moe:experts=4" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_bad_input_is_one_line(capsys):
    assert batch_effect.main(["--decoders", "nothing"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
