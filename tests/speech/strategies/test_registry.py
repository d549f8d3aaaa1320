"""Strategies by name: settings that cannot be, and those of users."""

import sys
import types

import pytest
from earspan.backends.errors import InputError
from earspan.speech.strategies import Call, Disjoint, Sliding, make_strategy, step_of, strategy_names


@pytest.mark.parametrize(
    ("name", "window_s", "step_s", "message"),
    [
        ("slidding", 2.0, 1.0, "unknown strategy 'slidding'; did you mean 'sliding'?"),
        ("disjoined", 2.0, None, "did you mean 'disjoint'?"),
        ("q", 2.0, None, "known: alignatt, disjoint, offline, overlap, prompted, sequential, sliding, vad"),
        ("disjoint", 2.0, 1.0, "the step is the window, 2 s; got a step of 1 s"),
        ("sliding", 2.0, None, "a step is needed"),
        ("sliding", 2.0, 3.0, "a step of 3 s is not within (0, 2 s], the window"),
        ("sliding", 2.0, 0.0, "a step of 0 s"),
        ("sliding", 2.0, -1.0, "a step of -1 s"),
        ("sliding", 2.0, float("nan"), "a step of nan s"),
        ("sliding", float("nan"), 1.0, "a window of nan s"),
        ("sliding", float("inf"), 1.0, "a window of inf s"),
        ("disjoint", 0.0, None, "a window of 0 s; expected more than 0 s"),
        ("disjoint", -2.0, -2.0, "a window of -2 s"),
        ("disjoint", float("nan"), None, "a window of nan s"),
    ],
)
def test_impossible_settings(name: str, window_s: float, step_s: float | None, message: str):
    with pytest.raises(InputError) as raised:
        make_strategy(name, window_s, step_s)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_strategies_are_made_by_the_names_that_are_listed():
    assert make_strategy("disjoint", 2.0, None) == make_strategy("disjoint", 2.0, 2.0) == Disjoint(2.0)
    assert make_strategy("sliding", 2.0, 0.5) == Sliding(2.0, 0.5)
    assert {"disjoint", "sliding"} < strategy_names().keys()
    assert all(line and "\n" not in line for line in strategy_names().values())


def test_every_registered_strategy_can_be_made_and_says_what_it_does():
    for name, line in strategy_names().items():
        assert 20 < len(line) < 120, name
        strategy = make_strategy(name, 6.0, step_of(name, 1.0))
        assert all(isinstance(call, Call) for call in strategy.fixed_calls(10.0))


def test_an_own_strategy(monkeypatch):
    class Mine(Disjoint):
        """every piece twice as long"""

        @classmethod
        def of(cls, window_s, step_s):
            return cls(2 * window_s)

    module = types.ModuleType("my_strategies")
    module.Mine, module.nothing = Mine, object()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_strategies", module)
    assert make_strategy("my_strategies:Mine", 2.0, None).window_s == 4.0  # type: ignore[attr-defined]
    for name, message in {
        "my_strategies:Yours": "has no attribute 'Yours'",
        "no_such_module_at_all:X": "No module named 'no_such_module_at_all'.*; expected package.module:Class",
        "my_strategies:nothing": "has no of and no run and no fixed_calls",
        ":": "expected package.module:Class",
        ".relative:X": "expected package.module:Class",
    }.items():
        with pytest.raises(InputError, match=message):
            make_strategy(name, 2.0, None)
