"""A client of OpenAI-compatible transcription endpoints that measures: GroqCloud, OpenAI, vLLM, speaches and others."""

import hashlib
import io
import random
import threading
import time
import wave
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import openai

from ..workload.op import SAMPLE_RATE
from .address import KEYS, Address, Key
from .budget import Budget
from .exchange import quantise
from .records import ANSWERED, LIMITED, MAY_PASS, Answer, Attempt, EndpointError, EndpointOptions, Piece
from .wire import Problem, TooLong, Wire, find_problem

# As the SDK itself waits (openai/_constants.py): doubling from the first to the longest, less up to a quarter by
# chance, so that clients that failed together do not come back together.
FIRST_WAIT_S, LONGEST_WAIT_S, JITTER = 0.5, 8.0, 0.25
SHORTEST_SAMPLES = SAMPLE_RATE // 10  # OpenAI refuses less than 0.1 s; silence makes it so long
LONGEST_TOLD_S = 120.0  # a server that tells to wait longer is not waited for


class RestEndpoint:
    """An endpoint that hears one piece of audio a call and says how long that took. Several threads may share it.

    address, model: where it is, and what it calls its model.
    options: how it is asked.
    budget: what may be asked; by default as the options say.
    """

    def __init__(
        self, address: Address, model: str, options: EndpointOptions | None = None, budget: Budget | None = None
    ) -> None:
        self.address, self.model = address, model
        self.options = options or EndpointOptions()
        self.budget = budget or Budget(self.options)
        self._key = Key.of(address)
        self._wire = Wire()
        self._paused_until_s, self._lock = 0.0, threading.Lock()  # a rate limit is one for all threads
        self._headers = {} if self._key.secret else {"Authorization": openai.Omit()}
        self._client = _client(address, self._key, self.options.timeout_s, self._wire)

    @property
    def name(self) -> str:
        """Where it is and which model it is, in words."""
        return f"{self.model} at {self.address.place}"

    @property
    def place(self) -> str:
        """Host and path."""
        return self.address.place

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once."""
        return self.options.concurrency

    def key(self, audio: np.ndarray, prompt: str = "", language: str | None = "en") -> str:
        """Return the SHA-256 of place, model, question and the audio as it is sent: equal calls have equal keys."""
        asked = msgspec.json.encode([self.address.place, self.model, self._question(prompt, language)], order="sorted")
        return hashlib.sha256(asked + b"\0" + quantise(audio).tobytes()).hexdigest()

    def transcribe(self, audio: np.ndarray, prompt: str = "", language: str | None = "en") -> Answer:
        """Return what the endpoint hears in `audio`, and how long it took. Blocks until then.

        audio: float32 at 16 kHz, shape = (samples,); it is sent as 16-bit PCM in a WAV file.
        prompt: text of the audio before, after the prompt of the options.
        language: of the speech, as an ISO 639-1 code; None lets the endpoint detect it.

        Raises `EndpointError` where no answer is to be had, and `BudgetError` where a request more is not allowed.
        """
        audio = np.pad(audio, (0, max(0, SHORTEST_SAMPLES - len(audio))))
        sound, audio_s = write_wav(audio), len(audio) / SAMPLE_RATE
        asked = self._question(prompt, language)
        asked_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        began_s, attempts, problem = time.perf_counter(), list[Attempt](), None
        while True:
            waited_s, waited_for = self._wait(problem, attempts)
            self.budget.spend(audio_s)
            attempt, found, body = self._ask(sound, asked)
            attempts.append(replace(attempt, waited_s=waited_s, waited_for=waited_for))
            if isinstance(found, Problem):
                problem = found
                continue
            return Answer(
                text=found.text.strip(),
                segments=tuple(Piece(one.start, one.end, one.text.strip()) for one in found.segments or ()),
                words=tuple(Piece(one.start, one.end, one.word.strip()) for one in found.words or ()),
                language=found.language,
                asked_at=asked_at,
                audio_s=audio_s,
                attempts=tuple(attempts),
                wall_s=time.perf_counter() - began_s,
                sent_bytes=self._wire.now.sent_bytes,
                received_bytes=len(body),
                body=body.decode(errors="replace"),
            )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _question(self, prompt: str, language: str | None) -> dict[str, Any]:
        """Return what is sent beside the audio."""
        options = self.options
        whole = " ".join(part for part in (options.prompt, prompt) if part)
        given = {"prompt": whole or None, "language": language, "temperature": options.temperature}
        asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if options.timestamps == "none":
            return {**asked, "response_format": "json"}
        # some servers leave segments out unless they are asked for as well
        kinds = ["word", "segment"] if options.timestamps == "word" else ["segment"]
        return {**asked, "response_format": "verbose_json", "timestamp_granularities": kinds}

    def _wait(self, problem: Problem | None, attempts: Sequence[Attempt]) -> tuple[float, str]:
        """Wait before a request as long as what failed asks for; return the seconds, and the kind of the failure.

        Raises `EndpointError` if asking again is of no use.
        """
        told = 0.0
        if problem is not None:
            self._give_up(problem, attempts)
            backoff_s = min(FIRST_WAIT_S * 2 ** (len(attempts) - 1), LONGEST_WAIT_S) * (1 - JITTER * random.random())
            told = backoff_s if problem.retry_after_s is None else problem.retry_after_s
        limited = problem is None or problem.kind == LIMITED
        began_s = time.perf_counter()
        with self._lock:
            if problem is not None and problem.kind == LIMITED:
                self._paused_until_s = max(self._paused_until_s, began_s + told)
            until_s = max(began_s + told, self._paused_until_s)
        if until_s <= began_s:
            return 0.0, ""
        time.sleep(until_s - began_s)
        return time.perf_counter() - began_s, LIMITED if limited or problem is None else problem.kind

    def _give_up(self, problem: Problem, attempts: Sequence[Attempt]) -> None:
        """Raise `EndpointError` if asking again is of no use."""
        told_s, more = problem.retry_after_s or 0.0, len(attempts) <= self.options.retries
        if problem.kind in MAY_PASS and more and told_s <= LONGEST_TOLD_S:
            return
        raise EndpointError(self._explain(problem, len(attempts)), problem.kind, tuple(attempts))

    def _explain(self, problem: Problem, requests: int) -> str:
        """Return one line: what the endpoint did, and what to do."""
        place, about = self.address.place, self._key.hide(problem.about)
        status = f"{problem.status}: " if problem.status else ""
        told = f", and asks to wait {problem.retry_after_s:.0f} s" if problem.retry_after_s else ""
        name = self._key.name or KEYS[0]
        advice = {
            LIMITED: "run it again later",
            "timeout": f"it may be dead or slow; --timeout is {self.options.timeout_s:g} s",
            "connection": "start a server there, or type another URL",
            "certificate": "the certificate is not trusted; name its authority in SSL_CERT_FILE",
            "key": f"put a valid key into the environment variable {name}",
            "refused": f"expected {self.model!r} to be a model there; for one without times type --timestamps none",
            "server error": "the server's log will say more",
            "garbage": "expected the URL to be the /v1 of an OpenAI-compatible server",
        }[problem.kind]
        times = "" if requests == 1 else f" ({requests} requests)"
        return f"{place}: {problem.kind}: {status}{about}{told}{times}; {advice}"

    def _ask(self, sound: bytes, asked: dict[str, Any]) -> "tuple[Attempt, _Transcription | Problem, bytes]":
        """Make one request; return how it went, what came of it, and the answer as it came."""
        self._wire.begin(self.options.timeout_s)
        began_s, body = time.perf_counter(), b""
        try:
            raw = self._client.audio.transcriptions.with_raw_response.create(
                file=("audio.wav", sound, "audio/wav"), model=self.model, extra_headers=self._headers, **asked
            )
            status, body = raw.status_code, self._key.hide_in(raw.content)
            found = _read(body, status)
        except (openai.OpenAIError, TooLong) as error:
            found = find_problem(error)
            status = found.status
        seconds, wire = time.perf_counter() - began_s, self._wire.now
        kind = found.kind if isinstance(found, Problem) else ANSWERED
        attempt = Attempt(kind, status, seconds, reused=not wire.connected, connect_s=wire.connect_s)
        return attempt, found, body


def write_wav(audio: np.ndarray) -> bytes:
    """Return float32 audio at 16 kHz as a WAV file of 16-bit PCM."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(quantise(audio).tobytes())
    return target.getvalue()


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float


class _Segment(msgspec.Struct):
    text: str
    start: float
    end: float


class _Transcription(msgspec.Struct):
    text: str
    language: str | None = None
    segments: list[_Segment] | None = None
    words: list[_Word] | None = None


def _read(body: bytes, status: int) -> "_Transcription | Problem":
    try:
        return msgspec.json.decode(body, type=_Transcription, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Problem("garbage", status, "the answer is no transcription")


def _client(address: Address, key: Key, timeout_s: float, wire: Wire) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=address.url,
        api_key=key.secret or "none",
        timeout=timeout_s,
        max_retries=0,  # made here, where each request is recorded
        http_client=openai.DefaultHttpxClient(event_hooks=wire.hooks()),
    )
