"""What goes on below one request: which connection it goes over, how long that took, and why it failed."""

import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import openai
from httpx2 import SyncByteStream

from .exchange import one_line
from .records import LIMITED

_LONGEST_ANSWER = 1 << 25  # bytes; words of an hour of speech are 2 MB


class TooLong(Exception):
    """An answer that does not end in time, or at all. kind: as of an `Attempt`."""

    def __init__(self, kind: str, about: str) -> None:
        super().__init__(about)
        self.kind = kind


@dataclass(slots=True)
class _UnderWay:
    until_s: float = float("inf")
    connected: bool = False
    connect_s: float = 0.0
    opened_at_s: float = 0.0
    sent_bytes: int = 0


class Wire(threading.local):
    """What the connections below an HTTP client do for the request that this thread has under way."""

    def __init__(self) -> None:
        self.now = _UnderWay()

    def begin(self, timeout_s: float) -> None:
        """Begin a request that has to be answered within `timeout_s`."""
        self.now = _UnderWay(time.perf_counter() + timeout_s)

    def hooks(self) -> dict[str, Any]:
        """Return what an httpx client takes as `event_hooks`."""
        return {"request": [self._on_request], "response": [self._on_response]}

    def _on_request(self, request: Any) -> None:
        self.now.sent_bytes = int(request.headers.get("content-length", 0))
        request.extensions["trace"] = self._on_event

    def _on_event(self, name: str, _: object) -> None:
        # a connection is opened by TCP and then TLS; httpcore names the events of each
        step = name.rpartition(".")[2], name.split(".")[1]
        if step[1] in ("connect_tcp", "start_tls"):
            at_s = time.perf_counter()
            if step[0] == "started":
                self.now.connected, self.now.opened_at_s = True, at_s
            else:
                self.now.connect_s += at_s - self.now.opened_at_s

    def _on_response(self, response: Any) -> None:
        response.stream = _Watched(response.stream, self.now)


@dataclass
class _Watched(SyncByteStream):
    """The body of an answer as a stream that ends when its time is over: an HTTP client watches each part alone."""

    stream: Any
    request: _UnderWay
    read: int = field(default=0)

    def __iter__(self) -> Iterator[bytes]:
        for part in self.stream:
            self.read += len(part)
            if time.perf_counter() > self.request.until_s:
                raise TooLong("timeout", "its answer did not end in time")
            if self.read > _LONGEST_ANSWER:
                raise TooLong("garbage", f"an answer of more than {_LONGEST_ANSWER >> 20} MiB")
            yield part

    def close(self) -> None:
        self.stream.close()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request failed.

    about: in words, as far as the server gave any.
    retry_after_s: how long it asks to wait; None where it does not.
    """

    kind: str
    status: int | None
    about: str
    retry_after_s: float | None = None


def find_problem(error: Exception) -> Problem:
    """Return what an exception of the `openai` SDK, or a `TooLong`, says."""
    if isinstance(error, TooLong):
        return Problem(error.kind, None, str(error))
    if isinstance(error, openai.APITimeoutError):
        return Problem("timeout", None, "no answer in time")
    if isinstance(error, openai.APIStatusError):
        status, headers = error.status_code, error.response.headers
        kind = "refused"
        if status in (401, 403):
            kind = "key"
        elif status == 429 and error.code != "insufficient_quota":  # an empty account does not fill up by waiting
            kind = LIMITED
        elif status in (408, 409) or status >= 500:
            kind = "server error"
        body = error.body
        said = body.get("message") if isinstance(body, dict) else None
        return Problem(kind, status, one_line(str(said or error.response.text)), _retry_after_s(headers))
    causes = list(_causes(error))
    if broken := next((one for one in causes if isinstance(one, ssl.SSLCertVerificationError)), None):
        return Problem("certificate", None, broken.verify_message)
    return Problem("connection", None, one_line(str(causes[-1])) or type(causes[-1]).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def _retry_after_s(headers: Any) -> float | None:
    """Return `Retry-After` in seconds, which is a number or a date (RFC 9110, 10.2.3), or OpenAI's in milliseconds."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        if (given := headers.get(name)) is None:
            continue
        try:
            return max(float(given) * unit_s, 0.0)
        except ValueError:
            pass
        try:
            moment = parsedate_to_datetime(given)
        except ValueError:
            continue
        return max((moment.astimezone(UTC) - datetime.now(UTC)).total_seconds(), 0.0)
    return None
