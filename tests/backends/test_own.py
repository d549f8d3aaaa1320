import sys
from importlib.metadata import EntryPoint

import pytest
from earspan.backends import own
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.serving.arrivals import Traffic
from earspan.backends.serving.capacity import capacity
from earspan.backends.serving.server import server_of
from earspan.backends.span import span
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload

MODULE = '''
from dataclasses import dataclass, replace
from earspan.backends.timing import Tally, Timing

@dataclass(frozen=True)
class Fixed:
    """Takes 0.2 s for every call, one after another."""
    name: str = "fixed"

    def time(self, workload):
        tally = Tally()
        tally.add("decode", "compute", 0.2 * workload.batch)
        return tally.timing("measured")

    def serve(self, call, streams):
        return self.time(replace(call, batch=streams))

    def describe(self):
        return "0.2 s a call"

made = Fixed("made")

def make():
    return Fixed("by a function")

def needs(argument):
    return Fixed(argument)

number = 3
'''


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "planted_backends.py").write_text(MODULE)
    (tmp_path / "planted_broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    get_backend.cache_clear()
    yield
    get_backend.cache_clear()
    sys.modules.pop("planted_backends", None)


@pytest.mark.parametrize(("name", "called"), [("Fixed", "fixed"), ("made", "made"), ("make", "by a function")])
def test_a_backend_is_found_by_its_import_path(name, called):
    backend = get_backend(f"planted_backends:{name}")
    assert backend.name == called
    assert backend is get_backend(f"planted_backends:{name}")


def test_a_backend_of_your_own_is_planned_and_served_like_ours():
    backend, large = get_backend("planted_backends:Fixed"), DIMENSIONS["large-v3"]
    assert span(backend, large, streams=4, step_s=1.0, continuing=False).span_s == 30.0
    assert span(backend, large, streams=6, step_s=1.0).limited_by == "compute"
    server = server_of(backend, Workload(large, decode_tokens=33), max_batch=4)
    assert 2 <= capacity(server, Traffic(1, 10.0, 1.0)).streams <= 5


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("planted_nowhere:Fixed", "No module named 'planted_nowhere'; is its folder on PYTHONPATH"),
        ("planted_backends:Missing", "has no attribute 'Missing'"),
        ("planted_backends:needs", "missing 1 required positional argument"),
        ("planted_backends:number", "int without name, time, serve, describe given; expected name, time"),
        ("planted_broken:Fixed", "ZeroDivisionError"),
        ("planted_backends:", "expected package.module:name"),
        (":Fixed", "expected package.module:name"),
    ],
)
def test_what_is_wrong_with_it_is_said_in_one_line(name, says):
    with pytest.raises(InputError) as caught:
        get_backend(name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_packages_offer_backends_by_name(monkeypatch):
    offered = {
        name: EntryPoint(name, f"planted_backends:{attribute}", own.GROUP)
        for name, attribute in (("fast-card", "Fixed"), ("bad-card", "number"))
    }
    monkeypatch.setattr(own, "_entry_points", lambda: offered)
    assert get_backend("fast-card").describe() == "0.2 s a call"
    with pytest.raises(InputError, match="bad-card"):
        get_backend("bad-card")
    with pytest.raises(InputError, match="did you mean 'fast-card'"):
        get_backend("fast-cart")
