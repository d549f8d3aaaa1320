import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.capacity.settings import CapacitySettings, Slo, TierShare
from earspan.benchmarks.experiment import store


def test_settings_are_the_same_after_they_were_stored():
    asked = CapacitySettings(backends=("l4",), windows_s=(5, 10), prices=("l4=0.5..1",), elasticity=1.5)
    assert store.decode(store.encode(asked), CapacitySettings, "here") == asked


def test_every_slo_is_there_once():
    asked = CapacitySettings(window_s=10.0, latency_s=2.0, windows_s=(5.0, 10.0), latencies_s=(1.0, 2.0))
    sliding = (Slo(10, 1), Slo(10, 2), Slo(5, 2))
    assert set(asked.slos) == {*sliding, *(Slo(one.window_s, one.latency_s, "alignatt") for one in sliding)}
    assert len(asked.slos) == 6
    # a chunk is the longest window that ends before its words are due
    late = CapacitySettings(strategies=("disjoint",), windows_s=(2.0, 5.0, 10.0), latencies_s=(1.0, 4.0, 10.0))
    assert late.slos == (Slo(2, 4, "disjoint"), Slo(5, 10, "disjoint"))


def test_a_tier_is_read():
    assert TierShare.parse("free=0.9:4") == TierShare("free", 0.9, 4.0)
    assert TierShare.parse("premium=0.1:0.5:0.03") == TierShare("premium", 0.1, 0.5, 0.03)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tiers": ("free=0.5:4",)}, "add up to 0.5; expected 1"),
        ({"tiers": ("free=1",)}, "expected NAME=SHARE:LATENCY_S"),
        ({"tiers": ("free=1:4:0.1:7",)}, "a latency above 0"),
        ({"tiers": ("a=0.5:1", "a=0.5:2")}, "a name of its own"),
        ({"prices": ("h100=cheap",)}, "expected dollars per hour"),
        ({"windows_s": (40,)}, "at most 30 s"),
        ({"latencies_s": (0,)}, "expected more than 0"),
        ({"backends": ()}, "give one of each"),
        ({"activity": 2.0}, "speech activity is 2"),
        ({"elasticity": -1.0}, "elasticity -1"),
        ({"max_wait_s": -1.0}, "at least 0"),
        ({"padding": "some"}, "unknown padding"),
        ({"strategies": ("slide",)}, "unknown strategy"),
        ({"loads": ("16",)}, "expected STREAMSxSTEP"),
        ({"batching": "dynamik"}, "did you mean 'dynamic'"),
    ],
)
def test_settings_that_cannot_be_asked(given, said):
    with pytest.raises(InputError, match=said):
        CapacitySettings(**given)
