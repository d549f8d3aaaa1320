"""Times between the points of a planted machine's profile: a known function, exact where it is linear."""

from dataclasses import replace

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.backends.measured import here, profile
from earspan.backends.measured.here import Setting, here_backend, read_setting
from earspan.backends.measured.profile import Point, profile_path, read_profile
from earspan.backends.measured.surface import Surface
from earspan.backends.registry import get_backend
from earspan.backends.serving.cost import bill_of, read_price
from earspan.backends.span import span
from earspan.backends.timing import CapacityError
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.whatif import read_decoder
from earspan.backends.workload.workload import Workload
from hypothesis import given
from hypothesis import strategies as st

from .planted import encode_s, mel_s, planted_profile, prefill_s, step_s, written

TINY = DIMENSIONS["tiny.en"]


@pytest.fixture
def backend(tmp_path):
    return here_backend(str(written(planted_profile(), tmp_path / "planted.json")))


@given(
    batch=st.integers(1, 8),
    audio_s=st.floats(1, 30),
    fed=st.integers(1, 200),
    steps=st.integers(0, 200),
)
def test_a_planted_machine_is_timed_by_the_function_that_was_planted(tmp_path_factory, batch, audio_s, fed, steps):
    path = tmp_path_factory.getbasetemp() / "machine.json"
    if not path.exists():
        written(planted_profile(), path)
    timing = get_backend(str(path)).time(Workload(TINY, batch, audio_s, prompt_tokens=fed, decode_tokens=steps))
    decode_s = sum(step_s(batch, max(10, fed + step)) for step in range(1, steps + 1))
    expected = {"mel": batch * mel_s(audio_s), "encode": encode_s(batch), "prefill": prefill_s(batch, fed),
                "decode": decode_s, "transfer": 0.0}  # fmt: skip
    assert timing.phases == pytest.approx(expected)
    assert timing.seconds == pytest.approx(sum(expected.values()))
    assert timing.provenance == "measured"
    assert timing.jitter == pytest.approx(0.1)


medians = st.lists(st.lists(st.floats(1e-4, 10), min_size=3, max_size=3), min_size=3, max_size=3)


def surface_of(found: list[list[float]]) -> Surface:
    return Surface.of(
        Point("decode", batch, length, (seconds,))
        for batch, row in zip((1, 2, 8), found, strict=True)
        for length, seconds in zip((10.0, 50.0, 400.0), row, strict=True)
    )


pairs = st.tuples(st.floats(1, 8), st.floats(1, 8)), st.tuples(st.floats(0, 600), st.floats(0, 600))


@given(found=medians, batches=pairs[0], ends=pairs[1])
def test_more_work_never_takes_less_time_whatever_was_measured(found, batches, ends):
    surface, lengths = surface_of(found), np.array(sorted(ends))
    few, many = (surface.at(batch, lengths) for batch in sorted(batches))
    assert few[0] <= few[1] * (1 + 1e-9)
    assert (few <= many * (1 + 1e-9)).all()


@given(found=medians)
def test_measured_points_are_met_exactly_where_more_work_took_more_time(found):
    rising = np.maximum.accumulate(np.maximum.accumulate(np.array(found), 0), 1)
    surface = surface_of(rising.tolist())
    for row, batch in enumerate((1, 2, 8)):
        assert surface.at(batch, np.array([10.0, 50.0, 400.0])) == pytest.approx(rising[row], rel=1e-12)


def test_a_batch_that_was_not_measured_is_refused_and_split_by_serve(backend):
    with pytest.raises(CapacityError, match="at most 8"):
        backend.time(Workload(TINY, 9))
    call = Workload(TINY, decode_tokens=20)
    parts = [backend.time(replace(call, batch=size)).seconds for size in (7, 6, 6)]
    assert backend.serve(call, 19).seconds == pytest.approx(sum(parts))


def test_the_span_of_a_planted_machine_follows_by_hand(backend):
    found = span(backend, TINY, streams=1, step_s=0.2, scatter=False)
    tokens = round(found.span_s * 3.3 + 0.49999)  # rounded up
    fixed_s = mel_s(30.0) + encode_s(1) + prefill_s(1, 2)

    def seconds(steps: int) -> float:
        return 1.1 * (fixed_s + sum(step_s(1, max(10, 2 + step)) for step in range(1, steps + 1)))

    assert seconds(tokens) <= 0.2 < seconds(tokens + 1)


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (Workload(DIMENSIONS["base"]), "earspan calibrate here --model base"),
        (Workload(TINY, beam=5), "--beam"),
        (Workload(TINY, decode_tokens=4, pass_tokens=3), "--draft"),
        (Workload(TINY, audio_s=5, padding="fit"), "--padding fit"),
        (read_decoder("moe").of(Workload(TINY, decode_tokens=9)), "--decoder"),
    ],
)
def test_work_that_was_not_measured_is_refused_with_what_to_type(backend, work, says):
    with pytest.raises(InputError) as caught:
        backend.time(work)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_say_engine_precision_and_threads(monkeypatch):
    monkeypatch.setattr(here, "count_cores", lambda: 4)
    assert read_setting("here") == read_setting("here-torch") == Setting("torch", "fp32", 4)
    assert read_setting("here-torch-bf16") == Setting("torch", "bf16", 4)
    assert read_setting("here-ct2") == Setting("ct2", "float32", 4)
    assert read_setting("here-ct2-int8_float32-t1") == Setting("ct2", "int8_float32", 1)
    for setting in (Setting("torch", "fp32", 4), Setting("ct2", "int8", 1), Setting("torch", "bf16", 2)):
        assert read_setting(setting.name) == setting
    for wrong in ("here-jax", "here-", "here-ct2-t0", "here-ct2-int8-4", "here-torch-fp32-tx"):
        with pytest.raises(InputError, match="expected here"):
            read_setting(wrong)


def test_this_machine_is_looked_for_in_the_cache_and_what_to_type_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(here, "count_cores", lambda: 2)  # whatever the machine, or what it lets the test use
    setting = read_setting("here-ct2-int8-t1")
    backend = here_backend("here-ct2-int8-t1")
    typed = "earspan calibrate here --model tiny.en --backend here-ct2-int8 --threads 1"
    with pytest.raises(InputError, match=typed):
        backend.time(Workload(TINY))
    path = profile_path(TINY, setting.engine, setting.precision, setting.threads)
    written(planted_profile(), path, engine="ct2", precision="int8")
    assert backend.time(Workload(TINY)).provenance == "measured"
    assert "ct2 in int8" in backend.describe()
    monkeypatch.setattr(profile, "cpu_name", lambda: "another machine of the same home folder")
    assert not profile_path(TINY, setting.engine, setting.precision, setting.threads).exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": 99}, "schema 99"),
        ({"calls": ()}, "calls"),
        ({"calls": (1.0, -1.0)}, "calls"),
        ({"points": planted_profile().points[:-1]}, "decode, expected each length once"),
        ({"points": planted_profile().of_phase("mel")}, "encode, expected"),
        ({"points": (*planted_profile().points, Point("mel", 1, 1.0, (0.1,)))}, "mel, expected"),
        ({"points": (Point("mel", 1, 1.0, ()),)}, "seconds above 0"),
        ({"points": (Point("melt", 1, 1.0, (1.0,)),)}, "melt"),
        ({"model": 3}, "model"),
    ],
)
def test_a_profile_that_cannot_be_right_is_refused_in_one_line(tmp_path, changes, says):
    path = written(planted_profile(), tmp_path / "wrong.json", **changes)
    with pytest.raises(InputError) as caught:
        read_profile(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_no_profile_is_refused(tmp_path):
    with pytest.raises(InputError, match="earspan calibrate here --out"):
        get_backend(str(tmp_path / "missing.json"))
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(InputError, match="make it again"):
        get_backend(str(tmp_path / "text.json"))


def test_a_price_for_this_machine_is_the_users(backend):
    assert bill_of(backend, {}, Workload(TINY)).unpriced == ("here",)
    assert bill_of(backend, dict([read_price("here=0.5")]), Workload(TINY)).usd_per_h() == 0.5
