"""Readers against what the programs themselves wrote of planted texts, and files that are wrong in one place.

`written/instances.log`: SimulEval 1.1.4, `summarize()` of two `SpeechToTextInstance` that a planted agent fed.
`written/bench.json`, `states.jsonl`, `differences.jsonl`: WhisperLiveKit 0.2.26, `write_json` of a `BenchmarkReport`,
and `FrontData` of planted lines, whole and through its `DiffTracker`, each message with `recording` and `at_s`.
Files of pipecat's stt-benchmark are written by hand, in the shape of its public source: `put_pipecat`, `EXPORT`.
"""

import json
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.backends.measured.streams.session import ADDED, FINAL, INTERIM
from earspan.benchmarks.imports.answers import Answer, Stream, settle
from earspan.benchmarks.imports.formats import FORMATS
from earspan.benchmarks.measure.records import write_streams
from earspan.speech.metrics.screen import Said
from earspan.speech.streaming.paced import Failed, Send, Streamed

from .planted import WRITTEN, put_pipecat


def read(name: str, path: Path) -> list[Stream]:
    return FORMATS[name][0](path)


def shown(stream: Stream) -> list[tuple[str, float | None]]:
    return [(word, one.at_s) for one in stream.answers for word in one.final]


def test_simuleval_says_how_much_audio_was_given_and_when_words_were_shown():
    a, b = read("simuleval", WRITTEN / "instances.log")
    assert (a.name, a.audio_s, b.name, b.audio_s) == ("data/a.wav", 2.0, "data/b.wav", 1.5)
    assert [one.final for one in a.answers] == [("hello",), ("world", "this"), ("is", "it")]
    assert [one.heard_s for one in a.answers] == [0.5, 1.0, 2.0]
    assert [one.at_s for one in a.answers] == pytest.approx([0.55036, 1.10085, 2.15116], abs=1e-4)


def test_computing_that_simuleval_adds_up_is_put_into_a_queue():
    a, _ = read("simuleval-summed", WRITTEN / "instances.log")
    # 50 ms of work at each answer, done before the next is due: each is 50 ms late, not 50, 100 and 150.
    assert [one.at_s for one in a.answers] == pytest.approx([0.55036, 1.05049, 2.05031], abs=1e-4)


def test_work_that_is_longer_than_the_audio_waits_for_that_before(tmp_path: Path):
    one = {"prediction": "a b b c", "source": "x.wav", "delays": [1000, 2000, 2000, 9000], "source_length": 9000}
    path = tmp_path / "instances.log"
    path.write_text(json.dumps({**one, "elapsed": [4000, 6000, 6000, 13500]}))
    # Work of 3, 1 and 0.5 s: 1 + 3, then not before 4 + 1, then 9 + 0.5.
    assert [at for _, at in shown(read("simuleval-summed", path)[0])] == [4.0, 5.0, 5.0, 9.5]


def test_omnistevals_long_form_names_a_recording_by_text_and_may_have_no_times(tmp_path: Path):
    path = tmp_path / "long.jsonl"
    path.write_text('{"source": "talk.wav", "prediction": "so it is"}\n')
    [stream] = read("simuleval", path)
    assert (stream.name, stream.answers) == ("talk.wav", (Answer(("so", "it", "is")),))


def test_the_report_of_wlk_bench_has_texts():
    a, b = read("whisperlivekit", WRITTEN / "bench.json")
    assert (a.name, a.system, a.audio_s) == ("a", "whisperlivekit faster-whisper tiny.en", 2.0)
    assert [one.final for one in (*a.answers, *b.answers)] == [tuple("hello world this is it".split()),
                                                               ("one", "two", "tree")]  # fmt: skip


@pytest.mark.parametrize("name", ["states.jsonl", "differences.jsonl"])
def test_a_word_of_whisperlivekit_is_final_when_it_stays(name: str):
    [stream] = read("whisperlivekit", WRITTEN / name)
    # The line said "word" at 1.4 s, and "world" from 1.9 s on.
    assert shown(stream) == [("hello", 0.9), ("world", 1.9), ("this", 2.4), ("is", 2.4), ("it", 2.6)]
    assert [one.interim for one in stream.answers] == [("hello",), ("word",), ("word", "this"), ("this", "is"),
                                                       ("it",), ()]  # fmt: skip


def test_words_are_final_when_they_and_all_before_stay():
    screens = [(1.0, ["a"], ["x"]), (2.0, ["a", "b"], []), (3.0, ["z", "b"], []), (4.0, ["a", "b"], ["c"])]
    assert [(one.final, one.interim) for one in settle(screens)] == [
        ((), ("a", "x")), ((), ("a", "b")), ((), ("z", "b")), (("a", "b"), ("c",)),
    ]  # fmt: skip
    assert list(settle([])) == []


def test_ctm_has_the_time_of_showing_in_a_seventh_column(tmp_path: Path):
    path = tmp_path / "hyp.ctm"
    path.write_text(";; made by hand\nb 1 0.0 0.3 one 0.9 1.0\na 1 0.0 0.3 hello NA 0.5\nb 1 0.4 0.3 two 0.9 1.0\n")
    b, a = read("ctm", path)
    assert (b.name, b.answers, a.answers) == ("b", (Answer(("one", "two"), at_s=1.0),), (Answer(("hello",), at_s=0.5),))
    path.write_text("b 1 0.0 0.3 one\n")
    assert read("ctm", path)[0].answers == (Answer(("one",)),)


def test_events_are_interim_until_a_final_one_takes_their_place(tmp_path: Path):
    path = tmp_path / "theirs.jsonl"
    path.write_text(
        '{"recording": "a", "at_s": 0.5, "text": "hello word", "final": false, "system": "moonshine"}\n'
        '{"recording": "a", "at_s": 1.0, "text": "hello world", "final": true, "system": "moonshine"}\n'
    )
    [stream] = read("events", path)
    assert stream.system == "moonshine"
    assert stream.answers == (Answer((), ("hello", "word"), 0.5), Answer(("hello", "world"), (), 1.0))


# `cli/export.py` of pipecat-ai/stt-benchmark at 29b4f95: fields and their order.
EXPORT = {
    "metadata": {"service": "deepgram", "model": "nova-3", "sample_count": 1,
                 "dataset": "pipecat-ai/smart-turn-data-v3.1-train", "notes": "WER is semantic WER"},
    "results": [{"sample_id": "a", "dataset_index": 4, "audio_duration_seconds": 2.0, "ground_truth": "Hello, world!",
                 "transcription": "hello world", "normalized_reference": "hello world",
                 "normalized_hypothesis": "hello world", "wer": 0.0, "substitutions": 0, "deletions": 0,
                 "insertions": 0, "reference_words": 2, "ttfb_seconds": 0.25}],
}  # fmt: skip


def test_pipecats_database_gives_a_text_and_its_wait(tmp_path: Path):
    found = put_pipecat(
        tmp_path / "results.db",
        {"sample_id": "a", "transcription": "hello world", "ttfb_seconds": 0.25, "audio_duration_seconds": 2.0},
        {"sample_id": "b", "error": "timed out", "audio_duration_seconds": 1.5, "model_name": "nova-3"},
        {"sample_id": "c", "transcription": "", "ttfb_seconds": None, "audio_duration_seconds": 1.5},
    )
    a, b, c = read("pipecat", Path(found.removeprefix("pipecat:")))
    assert (a.name, a.system, a.audio_s, a.after_speech_s, a.answers) == (
        "a", "deepgram", 2.0, 0.25, (Answer(("hello", "world")),)
    )  # fmt: skip
    assert (b.name, b.system, b.failure, b.after_speech_s) == ("b", "deepgram nova-3", "timed out", None)
    assert (c.failure, c.answers) == ("", (Answer(()),))  # nothing was heard, which is no failure to answer


def test_pipecats_export_is_of_one_service(tmp_path: Path):
    path = tmp_path / "deepgram_results.json"
    path.write_text(json.dumps(EXPORT, indent=2))
    [a] = read("pipecat", path)
    assert (a.name, a.system, a.audio_s, a.after_speech_s, a.answers) == (
        "a", "deepgram nova-3", 2.0, 0.25, (Answer(("hello", "world")),)
    )  # fmt: skip


SENT = tuple(Send(at_s, at_s, at_s) for at_s in (0.5, 1.0, 1.5, 2.0))
SAID = (
    Said(0.9, INTERIM, "0", "hello"),
    Said(1.2, FINAL, "0", "hello"), Said(1.2, ADDED, "1", "word"),
    Said(1.6, INTERIM, "1", "world this"),
    Said(2.2, FINAL, "1", "world this is it"),
)  # fmt: skip


def test_streams_that_were_measured_say_what_was_shown_and_what_had_been_sent(tmp_path: Path):
    late = (*SENT[:2], Send(1.5, 1.53, 1.53), SENT[3])
    held = (*SENT[:2], Send(1.5, 1.5, 1.9), Send(2.0, 2.0, 2.0))  # by the server, which is part of what it does
    played = (
        Streamed(0, "a", 0.0, SENT, SAID, 2.3),
        Streamed(1, "b", 0.0, late, SAID, 2.3),
        Streamed(2, "c", 0.0, SENT[:1], SAID[:1], None, Failed("closed", "it went away", 1.0)),
        Streamed(3, "d", 0.0, held, (), 2.3),
    )
    write_streams(tmp_path, 4, played)
    a, b, c, d = read("measure", tmp_path / "streams-4.jsonl")
    assert (a.name, a.failure) == ("a", "")
    assert a.answers == (
        Answer((), ("hello",), 0.9, 0.5),
        Answer(("hello",), ("word",), 1.2, 1.0),
        Answer((), ("world", "this"), 1.6, 1.5),
        Answer(("world", "this", "is", "it"), (), 2.2, 2.0),
    )
    assert "30 ms late" in b.failure
    assert c.failure == "closed: it went away"
    assert (d.failure, d.answers) == ("", ())


GOOD = '{"recording": "a", "at_s": 1.0, "text": "x", "final": true}'
SIMUL = '{"source": "a", "prediction": "x y", "delays": [1000, 2000]}'


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("events", "", "f: empty"),
        ("events", GOOD[:-9], "f:1: "),
        ("events", f"{GOOD}\n[]", "f:2: Expected `object`"),
        ("events", f'{GOOD}\n{{"recording": "a", "text": 3, "final": true}}', "f:2: Expected `str`, got `int` - at"),
        ("events", '{"recording": "a", "text": "x"}', "f:1: Object missing required field `final`"),
        ("events", GOOD.replace("1.0", "-1"), "f:1: at_s holds -1"),
        ("events", GOOD.replace("1.0", "1e999"), "f:1: "),
        ("events", f"{GOOD}\n{GOOD.replace('1.0', '0.5')}", "f:2: at_s holds 0.5; expected no less than 1"),
        ("events", f'{GOOD}\n{{"recording": "a", "text": "x", "final": true}}', "f:2: some texts of 'a' have at_s"),
        ("events", f'{{"recording": "a", "text": "x", "final": true}}\n{GOOD}', "f:2: some texts of 'a' have at_s"),
        ("events", GOOD.replace("true", "false"), "f:1: no text of 'a' is final"),
        ("simuleval", SIMUL.replace("x y", "x y z"), "f:1: delays has 2 times and prediction 3 words"),
        ("simuleval", SIMUL.replace("2000", "500"), "f:1: delays holds 0.5; expected no less than 1"),
        ("simuleval", SIMUL.replace("2000", "NaN"), "f:1: "),
        ("simuleval", '{"prediction": "x", "source": "a", "emission_cu": [1.0]}', "f:1: sentences that were cut anew"),
        ("simuleval", '{"prediction": "x", "delays": [1]}', "f:1: Object missing required field `source`"),
        ("ctm", "a 1 0.0 word", "f:1: 4 fields"),
        ("ctm", "a 1 zero 0.1 word", "f:1: START is 'zero'"),
        ("ctm", "a 1 0.0 -0.1 word", "f:1: LENGTH holds -0.1"),
        ("ctm", "a 1 0 1 x 0.9 2.0\na 1 1 1 y 0.9 1.0", "f:2: SHOWN holds 1"),
        ("ctm", "a 1 0 1 x 0.9 2.0\na 1 1 1 y", "f:2: some words of 'a'"),
        ("ctm", ";; nothing", "f: no word"),
        ("whisperlivekit", '{"results": []}', "f: results is empty"),
        ("whisperlivekit", '{"results": [{"sample": "a"}]}', "f: Object missing required field `hypothesis`"),
        ("whisperlivekit", '{"type": "config"}', "f: no message with lines"),
        ("whisperlivekit", '{"type": "diff", "n_lines": 4, "new_lines": [{"text": "x"}]}', "f:1: n_lines is 4"),
        ("measure", '{"stream": 0, "recording": "a"}', "f:1: Object missing required field `begin_at_s`"),
        ("pipecat", json.dumps(EXPORT).replace("0.25", '"soon"'), "f: results[0]: Expected `float"),
        ("pipecat", json.dumps(EXPORT).replace("0.25", "-1"), "f: results[0]: ttfb_seconds holds -1"),
        ("pipecat", json.dumps(EXPORT).replace("sample_id", "sample"), "f: results[0]: Object missing required field"),
        ("pipecat", '{"results": []}', "f: Object missing required field `metadata`"),
        ("pipecat", "sample_id,transcription", "f: not of stt-benchmark; expected results.db, or"),
        ("pipecat", "SQLite format 3\x00 and then nothing", "f: file is not a database; expected results.db"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_a_line_with_its_place(tmp_path: Path, name: str, content: str, expected: str):
    path = tmp_path / "f"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read(name, path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_files_that_cannot_be_read_are_told(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="No such file"):
        read(name, tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a file"):
        read(name, tmp_path)
    (tmp_path / "f").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read(name, tmp_path / "f")
