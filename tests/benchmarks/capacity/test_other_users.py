import json

import pytest
from earspan.backends.registry import get_backend
from earspan.benchmarks.capacity.other_users import DEPTH, FANOUT, count_voices, make_voice_call, time_task


def test_a_call_of_synthesis_writes_the_tokens_of_its_step():
    call = make_voice_call(2.0)
    assert (call.prompt_tokens, call.decode_tokens) == (7, 166)
    # a Llama of 3.2 G parameters: 28 layers of 3072, with grouped keys, and 157 thousand tokens
    layer = 2 * 3072**2 + 2 * 3072 * 1024 + 3 * 3072 * 8192
    assert call.weights_bytes == pytest.approx(2 * (28 * layer + 156940 * 3072), rel=0.01)


@pytest.mark.parametrize("name", ["h100", "groq-v1x72"])
def test_streams_of_speech_are_as_many_as_are_ready_in_time(name):
    backend = get_backend(name)
    found, call = count_voices(backend, 1.0, {}), make_voice_call(1.0)
    assert found.streams > 1
    # alone a call is in time; ten times as many as are carried are not, however they share the device
    assert backend.serve(call, 1).seconds < 1.0
    assert backend.serve(call, 10 * found.streams).seconds > 1.0


def test_what_cannot_be_held_is_said():
    assert count_voices(get_backend("groq-v1x2"), 1.0, {}).limited_by == "cannot hold one call"
    assert count_voices(get_backend("h100+groq-v1x72"), 1.0, {}).streams == 0
    assert time_task(get_backend("groq-v1x2"), 2, {}).seconds is None


def test_nested_calls_grow_as_a_power_and_each_level_waits():
    backend = get_backend("h100")
    tasks = [time_task(backend, depth, {}) for depth in range(1, 5)]
    assert [task.calls for task in tasks] == [1, 4, 13, 40]
    times = [task.seconds for task in tasks if task.seconds is not None]
    assert times == sorted(times)
    # a level of one call more than doubles nothing: its time is that of one more round at least
    assert times[1] - times[0] >= times[0]


@pytest.mark.parametrize("workload", ["synthesis", "agent"])
def test_the_command_prints_rows_for_every_backend(workload, earspan):
    given = ("capacity", "--workload", workload, "--backends", "h100,groq-v1x2")
    code, out, _ = earspan(*given)
    assert code == 0
    assert "cannot hold" in out
    rows = json.loads(earspan(*given, "--json")[1])["rows"]
    assert {row["backend"] for row in rows} == {"h100", "groq-v1x2"}
    if workload == "agent":
        assert max(row["calls"] for row in rows) == sum(FANOUT**level for level in range(DEPTH))
