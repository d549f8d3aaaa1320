"""Measurements of a planted server over WebSockets on this machine: kept, gone on with, and without a secret."""

import asyncio
import json

import earspan
import pytest
import soundfile
from earspan.backends.measured import rest
from earspan.benchmarks.experiment import store
from earspan.benchmarks.measure.records import Measured, Spent, read_streams
from earspan.datasets.recording import Word

from ...backends.measured.faults import FaultyEndpoint
from ...planted_realtime import planted_handler
from ...speech.planted import recording_of
from .serving import server

pytest.importorskip("websockets", reason="no websockets: pip install 'earspan[endpoints]'")
SECRET = "sk-planted-0123456789"


WORDS = (Word("one", 0.0, 0.2), Word("two", 0.25, 0.5), Word("three", 0.95, 1.2))
RECORDING = recording_of(WORDS, 1.5)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A function that returns a measurement of a target: one short recording, with a key in the environment."""
    folder = tmp_path / "data"
    folder.mkdir()
    soundfile.write(folder / "r.wav", RECORDING.audio, 16_000)
    words = [{"word": word.text, "start": word.start_s, "end": word.end_s} for word in WORDS]
    line = {"audio_filepath": "r.wav", "duration": 1.5, "id": "r", "text": RECORDING.text, "words": words}
    (folder / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    monkeypatch.setenv("EARSPAN_API_KEY", SECRET)

    def make(target: str, **more) -> earspan.Measurement:
        return earspan.Measurement(
            target=target, dataset=str(folder), **{"seconds": 1.5, "stagger_s": 0.2, "patience_s": 2.0, **more}
        )

    return make


def test_a_measurement_keeps_every_event_and_goes_on_where_it_was(asked, tmp_path):
    out = tmp_path / "out"
    with server(planted_handler(RECORDING, delay_s=0.3)) as target:
        found = earspan.measure(asked(target, streams=(1, 2)), out)
        assert [(load.streams, load.ended, load.errors, load.wer) for load in found.loads] == [
            (1, 1, {}, 0.0),
            (2, 2, {}, 0.0),
        ]
        for load in found.loads:  # no word can be final sooner; how much later is this machine's affair
            assert load.word_latency.p50_s >= 0.2 + 0.3
            assert load.late_max_s >= 0
        before = {path.name: path.read_bytes() for path in out.glob("streams-*.jsonl")}
        assert before.keys() == {"streams-1.jsonl", "streams-2.jsonl"}
    # The server is gone: loads that were well are not asked for again.
    again = earspan.measure(asked(target, streams=(1, 2), slo_s=60.0, beside=("l4",), timed_as="large-v3"), out)
    assert [load.word_latency for load in again.loads] == [load.word_latency for load in found.loads]
    assert {path.name: path.read_bytes() for path in out.glob("streams-*.jsonl")} == before
    assert again.most_streams == 2
    assert again.beside[0].most_streams > 2
    assert store.read_record(out / "results.json", Measured) == again
    page = (out / "report.html").read_text()
    assert "l4" in page
    with pytest.raises(earspan.InputError, match="another"):
        earspan.measure(asked(target, chunk_s=0.2), out)


def test_a_load_that_would_cost_too_much_is_not_tried_and_those_before_are_kept(asked, tmp_path):
    out, price = tmp_path / "out", {"usd_per_minute": 60.0}  # a dollar a second, and a stream is 1.5 s long
    with server(planted_handler(RECORDING)) as target:
        with pytest.raises(earspan.InputError, match=r"1 stream would bring the cost to 1.5\d* USD, and --max-cost 1$"):
            earspan.measure(asked(target, max_cost_usd=1.0, **price), out)
        assert not out.exists()
        found = earspan.measure(asked(target, streams=(1, 2), max_cost_usd=4.0, **price), out)
        assert [load.streams for load in found.loads] == [1]
        assert (found.spent, found.is_clean) == (Spent(1, 1.5, 1.5, is_over=True), False)
        assert "2 streams would bring the cost to 4.5" in found.limited_by
        assert store.read_record(out / "results.json", Measured) == found
        # What was measured before costs nothing.
        again = earspan.measure(asked(target, streams=(1, 2), max_cost_usd=4.0, slo_s=60.0, **price), out)
        assert ([load.streams for load in again.loads], again.spent) == ([1, 2], Spent(2, 3.0, 3.0))
        assert again.is_clean
        ramp = asked(target, ramp=True, slo_s=60.0, most_streams=8, max_requests=3)
        assert (found := earspan.measure(ramp, out)).most_streams == 2
        assert "4 streams would bring the requests to 4, and --max-requests 3" in found.limited_by


def test_calls_are_counted_as_they_are_made_and_end_a_stream_in_time(asked, tmp_path, monkeypatch, capsys):
    pytest.importorskip("openai", reason="no openai: pip install 'earspan[endpoints]'")
    monkeypatch.setattr(rest, "FIRST_WAIT_S", 0.01)
    cut = {"strategy": "disjoint", "window_s": 0.5, "streams": (1, 2)}
    with FaultyEndpoint() as endpoint:  # a warm-up and three pieces a stream
        found = earspan.measure(asked(f"openai:{endpoint.url}#m", max_requests=11, **cut))
        assert ([load.ended for load in found.loads], len(endpoint.requests)) == ([1], 4)
        assert "2 streams would bring the requests to 12, and --max-requests 11" in found.limited_by
    with FaultyEndpoint(["", "500"]) as endpoint:  # one that is made again was not foreseen
        found = earspan.measure(asked(f"openai:{endpoint.url}#m", max_requests=4, **cut))
        assert ([load.errors for load in found.loads], len(endpoint.requests)) == ([{"budget": 1}], 4)
        assert "--max-requests 4" in found.loads[0].failures[0]


def test_what_the_server_said_is_kept_with_its_times(asked, tmp_path):
    with server(planted_handler(RECORDING, delay_s=0.2)) as target:
        earspan.measure(asked(target, streams=(1,)), tmp_path / "out")
    one = next(iter(read_streams(tmp_path / "out", 1) or ()))
    assert [(said.kind, said.part, said.text) for said in one.said] == [
        ("added", "item-0", " one"),
        ("added", "item-0", " two"),
        ("final", "item-0", "one two"),
        ("added", "item-1", " three"),
        ("final", "item-1", "three"),
    ]
    assert [send.due_s for send in one.sends] == pytest.approx([0.1 * k for k in range(1, 16)])
    for said, spoken_s in zip(one.said, (0.2, 0.5, 0.7 + 0.2, 1.2, 1.4 + 0.2), strict=True):
        assert said.at_s >= spoken_s - 1e-3


def test_streams_that_are_cut_leave_the_others_and_are_measured_again(asked, tmp_path, capsys):
    out = tmp_path / "out"
    with server(planted_handler(RECORDING, kill_at_s=0.6, victims=1)) as target:
        found = earspan.measure(asked(target, streams=(3,)), out)
        (load,) = found.loads
        assert (load.ended, load.errors, load.wer, found.is_clean) == (2, {"closed": 1}, 0.0, False)
        kept = read_streams(out, 3) or ()
        assert sorted(len(one.said) for one in kept) == [2, 5, 5]
        again = earspan.measure(asked(target, streams=(3,)), out)
        assert again.is_clean


def test_a_program_with_a_loop_of_its_own_may_measure(asked, tmp_path):
    async def notebook() -> earspan.Measured:
        return earspan.measure(asked(target), tmp_path / "out")

    with server(planted_handler(RECORDING)) as target:
        assert asyncio.run(notebook()).is_clean


def test_the_command_says_in_one_line_what_is_wrong(asked, request, tmp_path):
    earspan, data = request.getfixturevalue("earspan"), str(tmp_path / "data")

    async def refuse(socket):
        await socket.close(4401, f"no entry with {SECRET}")

    asked("wlk:ws://127.0.0.1:1/asr")
    with server(refuse) as target:
        code, out, err = earspan("measure", target, "--dataset", data, "--seconds", 1.5)
        assert (code, out) == (2, "")
        assert err.count("\n") <= 2
        assert "EARSPAN_API_KEY" in err
    assert not list(tmp_path.glob("runs/**/*"))
    code, out, err = earspan("measure", target, "--dataset", data, "--seconds", 1.5)  # nobody listens any more
    assert (code, out) == (2, "")
    with server(planted_handler(RECORDING, kill_at_s=0.6, victims=1)) as target:
        code, out, err = earspan("measure", target, "--dataset", data, "--seconds", 1.5, "--streams", 2, "--stagger", 0)
        assert code == 1
        assert "1 x closed" in out
        assert len([line for line in err.splitlines() if "closed" in line]) == 1
        code, out, err = earspan(
            "measure", target, "--dataset", data, "--seconds", 1.5, "--ramp", "--slo", 30, "--most", 2
        )
    everything = [out, err, *(path.read_text() for path in tmp_path.rglob("runs/**/*") if path.is_file())]
    assert len(everything) > 4
    assert not [text for text in everything if SECRET in text]


@pytest.mark.parametrize(
    "wrong",
    [{"ramp": True}, {"streams": ()}, {"streams": (0,)}, {"seconds": 0}, {"slo_on": "luck"}, {"stagger_s": -1},
     {"max_cost_usd": 1.0}, {"max_requests": 0}, {"usd_per_minute": -1.0}, {"billed_at_least_s": float("nan")},
     {"target": "openai:http://127.0.0.1:1/v1#m", "strategy": "alignatt"}, {"chunk_s": float("nan")},
     {"beside": ("nothing",)}, {"dataset": "nothing"}],
)  # fmt: skip
def test_what_cannot_be_asked(wrong):
    with pytest.raises(earspan.InputError):
        earspan.measure(
            earspan.Measurement(**{"target": "wlk:ws://127.0.0.1:1/asr", "dataset": "talks-clean", **wrong})
        )
