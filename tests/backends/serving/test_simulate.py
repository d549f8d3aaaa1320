import math
from dataclasses import replace

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.scatter import quantile_of_spread
from earspan.backends.serving.arrivals import TALK_SPURT_S, Traffic, calls_of
from earspan.backends.serving.continuous import Continuous, serve_continuously
from earspan.backends.serving.server import Server, server_of
from earspan.backends.serving.simulate import LATE_ALLOWED, simulate, verdict
from earspan.backends.serving.station import Line, Station, serve
from earspan.backends.workload.cutting import own_step_s, pieces_of
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.windows import SECOND_PASS
from earspan.backends.workload.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

CALL = Workload(DIMENSIONS["tiny.en"], decode_tokens=33)


def once(streams, window_s, step_s, strategy="sliding"):
    """Streams whose calls take one pass each."""
    return Traffic(streams, window_s, step_s, strategy, continuing=False)


def fixed(seconds, interval=None):
    """A server that takes so long for every call, one at a time."""
    gap = seconds if interval is None else interval
    return Server("fixed", (Station("fixed", (Line(seconds, 0),), (Line(gap, 0),)),))


def test_every_stream_calls_once_a_step_at_its_own_phase():
    calls = calls_of((Traffic(50, 10, 0.5),), 20, replicas=2, seed=3)
    assert len(calls) == 2 * 50 * 40
    assert (np.diff(calls.arrival_s) >= 0).all()
    first = calls.arrival_s[: 50 * 40].reshape(40, 50)
    assert np.allclose(np.diff(first, axis=0), 0.5)
    assert len(np.unique(first[0])) == 50
    assert first.min() >= 0
    assert first[0].max() < 0.5
    assert np.allclose(calls.due_s - calls.arrival_s, 0.5)
    # 33 tokens in the mean, Poisson
    assert calls.tokens.mean() == pytest.approx(33, rel=0.02)
    assert calls.tokens.var() == pytest.approx(33, rel=0.1)
    assert (calls_of((Traffic(3, 10, 1, scatter=False),), 5).tokens == 33).all()


@pytest.mark.parametrize("strategy", ["sliding", "disjoint"])
def test_silent_steps_are_left_out(strategy):
    load = Traffic(400, 1, 1, strategy, activity=0.4, skip_silence=True)
    calls = calls_of((load,), 100)
    # a step is silent if a pause is on at its start and lasts; two steps in a row, likewise
    pause_s = TALK_SPURT_S * 0.6 / 0.4
    silent = {steps: 0.6 * math.exp(-steps / pause_s) for steps in (1, 2)}
    heard = 1 - silent[1]
    made = heard if strategy == "disjoint" else 1 - silent[2]
    assert len(calls) / 40_000 == pytest.approx(made, rel=0.02)
    assert calls.shows.sum() / 40_000 == pytest.approx(heard, rel=0.02)
    everything = calls_of((replace(load, skip_silence=False),), 100)
    assert len(everything) == 40_000
    assert everything.shows.mean() == pytest.approx(heard, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=30), st.floats(0.05, 4), st.sampled_from([0.5, 0.95, 0.99]))
def test_quantile_of_spread_is_that_of_many_words(responses, step_s, quantile):
    response = np.sort(np.array(responses))
    words = (response[:, None] + step_s * (np.arange(2000) + 0.5) / 2000).ravel()
    found = quantile_of_spread(response, np.full(len(response), step_s), quantile)
    assert (words <= found + 1e-9).mean() == pytest.approx(quantile, abs=0.002)


def test_word_latency_of_one_stream_by_hand():
    # a word waits up to a step for its call, a step for the one that agrees, and for that
    outcome = simulate(fixed(0.25), (once(1, 5, 1),), 2000)
    assert outcome.word_latency_s(0.5) == pytest.approx(1 + 0.5 + 0.25)
    assert outcome.word_latency_s(0.99) == pytest.approx(1 + 0.99 + 0.25)
    disjoint = simulate(fixed(0.25), (once(1, 1, 1, "disjoint"),), 2000)
    assert disjoint.word_latency_s(0.99) == pytest.approx(0.99 + 0.25)
    assert outcome.stations[0].utilisation == pytest.approx(0.25)


def test_littles_law():
    outcome = simulate(fixed(0.009), (once(100, 5, 1),), 100)
    times = np.linspace(20, 90, 200_001)
    waiting, inside = outcome.begin_s - outcome.calls.arrival_s, outcome.finish_s - outcome.calls.arrival_s
    assert outcome.queue(times).mean() == pytest.approx(100 * waiting.mean(), rel=0.01)
    assert outcome.backlog(times).mean() == pytest.approx(100 * inside.mean(), rel=0.01)


def test_verdicts():
    at_ease = simulate(fixed(0.25), (once(3, 5, 1),), 1000)
    assert str(verdict(at_ease)) == "VALID"
    assert verdict(at_ease, 5).valid
    late = verdict(at_ease, 2.1)
    assert (late.valid, late.cause) == (False, "latency budget")
    assert "budget 2.1 s, of which the strategy takes 2 s" in late.reason
    behind = simulate(fixed(0.25), (once(5, 5, 1),), 1000)
    assert verdict(behind).cause == "falls behind"
    assert behind.backlog(np.array([100.0, 900.0])).tolist() == sorted(behind.backlog(np.array([100.0, 900.0])))
    assert behind.late() > LATE_ALLOWED
    assert verdict(simulate(fixed(0.25), (once(3, 5, 1),), 10)).cause == "too few calls"


def test_a_loaded_gpu_batches_and_an_idle_one_does_not():
    server = server_of(get_backend("h100"), CALL)
    rate = server.calls_per_s(33)
    busy, idle = (simulate(server, (Traffic(max(1, round(part * rate)), 10, 1),), 30) for part in (0.5, 0.002))
    assert busy.stations[0].batch > 4 * idle.stations[0].batch
    assert idle.stations[0].batch < 1.5


def test_times_of_a_server_are_the_backends_own():
    for name in ("h100", "groq-v1x8", "h100+groq-v1x8"):
        backend = get_backend(name)
        server = server_of(backend, CALL, max_batch=4)
        alone = sum(server.alone_s(33))
        assert alone == pytest.approx(backend.time(CALL).seconds, rel=1e-6)
        assert len(server.stations) == (2 if "+" in name else 1)
        halved = server.scale(0.5)
        assert halved.calls_per_s(33) == pytest.approx(2 * server.calls_per_s(33))
    # between the two lengths that were timed, times are on a line to within a percent
    short = replace(CALL, decode_tokens=24)
    gpu = get_backend("h100")
    assert server_of(gpu, CALL).alone_s(24)[0] == pytest.approx(gpu.time(short).seconds, rel=0.01)


def test_continuous_batching_serves_the_same_calls():
    gpu = get_backend("h100-trtllm")
    loads = (Traffic(100, 10, 1),)
    continuous = simulate(server_of(gpu, CALL, batching="continuous"), loads, 30)
    dynamic = simulate(server_of(gpu, CALL), loads, 30)
    assert len(continuous.finish_s) == len(dynamic.finish_s) == 3000
    assert (continuous.finish_s > continuous.calls.arrival_s).all()
    with pytest.raises(InputError, match="for GPUs"):
        server_of(get_backend("groq-v1x8"), CALL, batching="continuous")


def test_equal_seeds_give_equal_runs():
    server = server_of(get_backend("h100"), CALL)
    runs = [simulate(server, (Traffic(40, 10, 1), Traffic(9, 5, 0.5)), 20, replicas=2, seed=seed) for seed in (7, 7, 8)]
    assert (runs[0].finish_s == runs[1].finish_s).all()
    assert not np.array_equal(runs[0].finish_s, runs[2].finish_s)
    assert {runs[0].response_s(0).size, runs[0].response_s(1).size} == {40 * 16 * 2, 9 * 32 * 2}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"streams": 0}, "at least 1"),
        ({"step_s": 11}, "step <= window"),
        ({"strategy": "disjoint"}, "calls every 10 s, whatever the step"),
        ({"activity": 0}, "activity"),
        ({"strategy": "slidng"}, "did you mean 'sliding'"),
    ],
)
def test_bad_loads_are_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        Traffic(**({"streams": 1, "window_s": 10, "step_s": 1} | wrong))


def test_alignatt_shows_a_word_half_a_second_after_it_and_decodes_a_step_of_it():
    # by hand: 0.25 s a call, a word waits for 0.5 s more audio and evenly for up to a step of 1 s
    outcome = simulate(fixed(0.25), (Traffic(1, 20, 1, "alignatt"),), 2000)
    assert outcome.word_latency_s(0.5) == pytest.approx(0.5 + 0.5 + 0.25, abs=0.01)
    assert outcome.word_latency_s(0.99) == pytest.approx(0.5 + 0.99 + 0.25, abs=0.01)
    calls = calls_of((Traffic(200, 20, 1, "alignatt"),), 100)
    assert calls.tokens.mean() == pytest.approx(3.3, rel=0.02)
    assert not calls.again.any()
    call = Traffic(1, 20, 1, "alignatt").call(CALL)
    assert (call.decode_tokens, call.prompt_tokens) == (4, CALL.prompt_tokens + math.ceil(3.3 * 19))


def test_second_passes_of_a_batch_are_made_together():
    # a pass of n calls takes 0.1 + 0.01 n s, each decode step 1 ms; every call of 30 s takes a second pass
    lines = tuple(Line(0.1 + 0.01 * n, 0.001) for n in range(1, 5))
    station = Station("known", lines, lines)
    arrival_s, tokens = np.array([0.0, 0.0, 0.0, 10.0]), np.array([5, 9, 7, 20])
    again = np.array([True, False, True, False])
    served = serve(station, arrival_s, tokens, np.random.default_rng(0), again)
    # three calls as long as the longest, then the two that go on; the last one alone
    assert served.finish_s == pytest.approx([0.13 + 0.009 + 0.12] * 3 + [10 + 0.11 + 0.02])
    assert served.busy_s == pytest.approx(0.259 + 0.13)
    pipelined = Station("known", lines, tuple(Line(0.05, 0) for _ in lines))
    assert serve(pipelined, arrival_s, tokens, np.random.default_rng(0), again).busy_s == pytest.approx(0.1 + 0.05)
    joined = Continuous("known", (0.1, 0.2, 0.3), (0.001, 0.001, 0.001))
    # taken up together: encoded three times, then two again, then each leaves after its steps
    flown = serve_continuously(joined, arrival_s, tokens, np.random.default_rng(0), again)
    assert flown.finish_s == pytest.approx([0.505, 0.509, 0.507, 10.12])


@pytest.mark.parametrize("window_s", [3.0, 12.5, 20.0, 30.0])
def test_as_many_calls_take_a_second_pass_as_were_measured(window_s):
    share = np.interp(window_s, list(SECOND_PASS), list(SECOND_PASS.values()))
    calls = calls_of((Traffic(200, window_s, 1),), 100)
    assert calls.again.mean() == pytest.approx(share, abs=0.01)
    assert not calls_of((Traffic(200, window_s, 1, continuing=False),), 10).again.any()


def test_streams_cut_at_pauses_call_as_often_as_their_pieces_say():
    load = Traffic(200, 10, own_step_s("vad", 10) or 0, "vad", continuing=False)
    calls = calls_of((load,), 200, replicas=2, seed=1)
    pieces = pieces_of("vad", 10)
    assert len(calls) / (2 * 200 * 200) == pytest.approx(1 / np.mean([one.gap_s for one in pieces]), rel=0.02)
    assert (np.diff(calls.arrival_s[: len(calls) // 2]) >= 0).all()
    assert calls.tokens.mean() == pytest.approx(3.3 * np.mean([one.heard_s for one in pieces]), rel=0.02)
    # half of the time nobody speaks: half as many calls, as long as before
    quiet = calls_of((replace(load, activity=0.5),), 200, replicas=2, seed=1)
    assert len(quiet) / len(calls) == pytest.approx(0.5, rel=0.03)
    assert load.calls_per_step == 2 * replace(load, activity=0.5).calls_per_step


def test_words_of_uneven_calls_wait_as_words_drawn_one_by_one():
    strategy = "vad"
    pieces, rng = pieces_of(strategy, 10), np.random.default_rng(5)
    load = Traffic(50, 10, own_step_s(strategy, 10) or 0, strategy, continuing=False)
    found = simulate(Server("many", (Station("many", (Line(0.5, 0),), (Line(1e-6, 0),)),)), (load,), 400)
    # a word is more likely in a call that shows more of them
    shown = np.array([one.shown_s for one in pieces])
    drawn = rng.choice(len(pieces), 200_000, p=shown / shown.sum())
    late_s = np.array([one.wait_s for one in pieces])[drawn] + shown[drawn] * rng.random(len(drawn)) + 0.5
    for quantile in (0.5, 0.95):
        assert found.word_latency_s(quantile) == pytest.approx(np.quantile(late_s, quantile), rel=0.03)
        assert load.least_latency_s(quantile) + 0.5 == pytest.approx(np.quantile(late_s, quantile), rel=0.03)


def test_overlapping_chunks_show_what_they_share_with_the_next():
    outcome = simulate(fixed(0.25), (once(1, 6, 4, "overlap"),), 2000)
    # a third of the window, a quarter of it and two words wait for the next call; words end evenly over the 4 s before
    assert outcome.word_latency_s(0.5) == pytest.approx(2.5 + 0.8 + 2 + 0.25)
    assert outcome.word_latency_s(0.99) == pytest.approx(2.5 + 0.8 + 4 * 0.99 + 0.25)
