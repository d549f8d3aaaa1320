import json
import threading

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.backends.measured import rest
from earspan.backends.measured.address import Address
from earspan.backends.measured.budget import BudgetError
from earspan.backends.measured.records import Answer, EndpointError, EndpointOptions, Piece

from .faults import FaultyEndpoint

SECRET = "sk-a-secret-that-nobody-may-read"
AUDIO = np.sin(np.arange(16000) * 0.05).astype(np.float32) * 0.5


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(rest, "FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("EARSPAN_API_KEY", SECRET)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def ask(server: FaultyEndpoint, calls: int = 1, prompt: str = "", **options) -> list[Answer]:
    endpoint = rest.RestEndpoint(Address.parse(f"openai:{server.url}"), "m", EndpointOptions(**options))
    try:
        return [endpoint.transcribe(AUDIO, prompt) for _ in range(calls)]
    finally:
        endpoint.close()


def kinds(answer: Answer | EndpointError) -> list[str]:
    return [attempt.kind for attempt in answer.attempts]


def test_a_call_sends_the_audio_and_all_options_and_reads_text_words_and_segments():
    with FaultyEndpoint() as server:
        [answer] = ask(server, prompt="before", temperature=0.0, timestamps="word")
    [request] = server.requests
    assert np.frombuffer(request.samples, "<i2") / 32768 == pytest.approx(AUDIO, abs=0.5001 / 32768)
    assert request.fields == {
        "model": ["m"], "prompt": ["before"], "language": ["en"], "temperature": ["0.0"],
        "response_format": ["verbose_json"], "timestamp_granularities[]": ["word", "segment"],
    }  # fmt: skip
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    text = f"heard {request.digest}before"
    assert (answer.text, answer.segments) == (text, (Piece(0, 2, text),))
    assert answer.words == (Piece(0, 1, "heard"), Piece(1, 2, text.split()[1]))
    assert (answer.audio_s, answer.received_bytes) == (1.0, len(answer.body))
    assert json.loads(answer.body)["text"] == text
    assert answer.sent_bytes > 32000


def test_connections_are_kept_and_what_opening_one_took_is_part_of_the_first_call():
    with FaultyEndpoint() as server:
        first, second, third = ask(server, calls=3)
    assert server.connections == 1
    assert [one.reused for one in (first, second, third)] == [False, True, True]
    assert 0 < first.attempts[0].connect_s < first.attempts[0].seconds <= first.wall_s
    assert second.attempts[0].connect_s == 0


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("500", "server error"), ("503 0.05", "server error"), ("429 0.05", "rate limit"), ("hang", "timeout"),
     ("drip", "timeout"), ("half-close", "connection"), ("cut", "connection")],
)  # fmt: skip
def test_what_may_pass_is_asked_again_and_recorded(fault, kind):
    with FaultyEndpoint([fault]) as server:
        [answer] = ask(server, timeout_s=1.5 if kind == "timeout" else 20)
    assert kinds(answer) == [kind, "ok"]
    assert len(server.requests) == 2
    again = answer.attempts[1]
    assert again.waited_for == kind
    assert again.waited_s >= (0.05 if "0.05" in fault else 0.007)
    assert sum(one.seconds + one.waited_s for one in answer.attempts) <= answer.wall_s
    # a rate limit is one of asking faster than speech comes; other failures a live stream would have waited for
    own_s = answer.attempts[0].seconds + again.waited_s
    assert answer.service_s == pytest.approx(answer.wall_s - (own_s if kind == "rate limit" else 0))


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [("401", "key", "EARSPAN_API_KEY"), ("404", "refused", "'m'"), ("garbage", "garbage", "/v1"),
     ("429 3600", "rate limit", "3600 s"), ("endless", "garbage", "/v1")],
)  # fmt: skip
def test_what_does_not_pass_is_one_line_at_once(fault, kind, said):
    with FaultyEndpoint([fault]) as server, pytest.raises(EndpointError) as caught:
        ask(server, timeout_s=20)
    assert (caught.value.kind, kinds(caught.value)) == (kind, [kind])
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert SECRET not in message  # which the server repeated
    assert len(server.requests) == 1


def test_after_the_last_retry_it_is_given_up():
    with FaultyEndpoint(["500", "half-close", "500", "500"]) as server, pytest.raises(EndpointError) as caught:
        ask(server, retries=2)
    assert kinds(caught.value) == ["server error", "connection", "server error"]
    assert "3 requests" in str(caught.value)


def test_a_dead_server_is_one_line():
    with FaultyEndpoint() as server:
        pass
    with pytest.raises(EndpointError, match="start a server there"):
        ask(server, retries=1)


def test_certificates_are_checked(certificate):
    with (
        FaultyEndpoint(tls=certificate) as server,
        pytest.raises(EndpointError, match="certificate is not trusted") as caught,
    ):
        ask(server)
    assert kinds(caught.value) == ["certificate"]
    assert server.requests == []


def test_a_rate_limit_stops_all_threads_for_as_long_as_the_server_says():
    with FaultyEndpoint(["429 0.4"]) as server:
        endpoint = rest.RestEndpoint(Address.parse(f"openai:{server.url}"), "m")
        found: list[Answer] = []
        threads = [threading.Thread(target=lambda: found.append(endpoint.transcribe(AUDIO))) for _ in range(2)]
        threads[0].start()
        while not endpoint._paused_until_s:
            pass
        threads[1].start()
        [thread.join() for thread in threads]
        endpoint.close()
    assert all(one.attempts[-1].waited_s > 0.2 for one in found)
    assert all(one.service_s < 0.2 < one.wall_s for one in found)


def test_the_budget_counts_every_request_and_stops_before_the_one_too_many():
    with FaultyEndpoint(["500"]) as server, pytest.raises(BudgetError, match="--max-requests 3"):
        ask(server, calls=9, max_requests=3)
    assert (len(server.requests), len(server.answered)) == (3, 2)
    # 1 s is billed as 10 s: at 0.6 USD a minute, 0.1 USD each
    with FaultyEndpoint() as server, pytest.raises(BudgetError, match="--max-cost"):
        ask(server, calls=9, max_cost_usd=0.35, usd_per_minute=0.6, billed_at_least_s=10)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("url", "variable", "sent"),
    [("https://h/v1", "OPENAI_API_KEY", True), ("http://127.0.0.1:1/v1", "OPENAI_API_KEY", True),
     ("http://h/v1", "OPENAI_API_KEY", False), ("http://h/v1", "EARSPAN_API_KEY", True)],
)  # fmt: skip
def test_the_key_that_other_programs_need_goes_nowhere_in_the_open(monkeypatch, url, variable, sent):
    monkeypatch.delenv("EARSPAN_API_KEY")
    monkeypatch.setenv(variable, SECRET)
    endpoint = rest.RestEndpoint(Address.parse(f"openai:{url}"), "m")
    assert endpoint._key.secret == (SECRET if sent else "")
    assert SECRET not in repr(endpoint._key)
    endpoint.close()


def test_an_answer_that_repeats_the_key_is_kept_without_it():
    with FaultyEndpoint(text=lambda request: f"heard {request.headers['authorization']}") as server:
        [answer] = ask(server)
    assert (answer.text, SECRET in repr(answer)) == ("heard Bearer ***", False)


def test_without_a_key_none_is_sent(monkeypatch):
    monkeypatch.delenv("EARSPAN_API_KEY")
    with FaultyEndpoint() as server:
        ask(server)
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("url", ["http://user:pass-word@h/v1", "https://h/v1?api-key=pass-word", "https://pass-word@h"])
def test_an_address_with_a_secret_is_refused_and_not_repeated(url):
    with pytest.raises(InputError) as caught:
        Address.parse(f"openai:{url}")
    assert "pass-word" not in str(caught.value)


def test_an_address_names_place_and_model():
    assert Address.parse("openai:https://h:1/openai/v1/#a/b.en") == Address("https://h:1/openai/v1", "a/b.en")
    assert Address.parse("openai:http://h/v1").model is None
    for wrong in ("openai:", "openai:h/v1", "openai:ftp://h", "openai:http://h:port/v1"):
        with pytest.raises(InputError, match=r"expected openai:http://127\.0\.0\.1:8000/v1"):
            Address.parse(wrong)
