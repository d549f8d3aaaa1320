"""An experiment is checked when it is made, from keywords or from a file."""

from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.experiment import Experiment, Load
from earspan.benchmarks.experiment.store import decode, encode
from hypothesis import given
from hypothesis import strategies as st


def test_plain_keywords_are_enough():
    experiment = Experiment(dataset="talks", backends=("h100",), windows_s=(5, 2, 5), loads=("16x0.25",))
    assert experiment.dataset == ("talks",)
    assert experiment.backends == ("h100",)
    assert experiment.grid == {"sliding": (2.0, 5.0)}
    assert experiment.load == Load(0.25, 16)
    assert experiment.heard_step_s == 0.25
    assert experiment.timed_model == "large-v3"
    assert Experiment(model="base").timed_model == "base"


@given(st.integers(1, 100_000), st.floats(1e-3, 1e3))
def test_a_load_is_what_its_name_says(streams: int, step_s: float):
    load = Load.parse(Load(step_s, streams).name)
    assert (load.streams, load.step_s) == (streams, pytest.approx(step_s, rel=1e-5))
    assert Load.parse(load.name) == load


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"loads": "16"}, "expected STREAMSxSTEP, for example 16x0.25"),
        ({"loads": "100001x1"}, "expected 1 to 100,000 streams"),
        ({"loads": "0x1"}, "expected 1 to 100,000 streams"),
        ({"loads": "1xnan"}, "a step of more than 0 s"),
        ({"loads": ()}, "no load"),
        ({"windows_s": (31,)}, "at most 30 s"),
        ({"windows_s": {"disjoint": (0,)}}, "at least 0.02"),
        ({"window_s": float("nan")}, "window_s is nan"),
        ({"head_s": -1}, "head_s is -1"),
        ({"hours": float("inf")}, "hours is inf"),
        ({"seed": -1}, "seed is -1"),
        ({"padding": "ful"}, "did you mean 'full'"),
        ({"play": "spam"}, "did you mean 'span'"),
        ({"join": "speakers"}, "did you mean 'speaker'"),
    ],
)
def test_what_cannot_be_run_is_refused(keywords, expected):
    with pytest.raises(InputError, match=expected):
        Experiment(**keywords)


def test_a_file_says_the_same_as_keywords(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'model = "base"\ndataset = "talks"\nbackends = ["t4", "h100"]\nloads = "16x0.25"\nseed = 3\n'
        "[windows_s]\ndisjoint = [2, 5.5]\nsliding = [10]\n"
    )
    keywords = {"model": "base", "dataset": "talks", "backends": ("t4", "h100"), "loads": ("16x0.25",), "seed": 3}
    assert Experiment.from_toml(path) == Experiment(**keywords, windows_s={"disjoint": (2, 5.5), "sliding": (10,)})
    path.write_text("windows_s = [2]\nstrategy = 'disjoint'\n")
    assert Experiment.from_toml(path).grid == {"disjoint": (2.0,)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("modle = 'base'", "did you mean 'model'"),
        ("model = 5", r"Expected `str`, got `int` - at `\$.model`"),
        ("model = ", "not TOML"),
        ("windows_s = [31]", "at most 30 s"),
        ("loads = ['fast']", "STREAMSxSTEP"),
        ("seed = " + "9" * 5000, "not TOML"),
        ("x = " + "[" * 5000, "not TOML"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tmp_path: Path, content: str, expected: str):
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=expected) as caught:
        Experiment.from_toml(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@given(st.builds(Experiment, seed=st.integers(0, 99), model=st.text(), hours=st.none() | st.floats(0.1, 9)))
def test_json_holds_all_of_it(experiment: Experiment):
    assert decode(encode(experiment), Experiment, "test") == experiment
