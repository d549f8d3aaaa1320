"""Which server is measured, and in which protocol: `realtime:URL#MODEL`, `wlk:URL`, `openai:URL#MODEL`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from ..errors import InputError, unknown
from .address import KEYS, PREFIX, Address, Key, is_endpoint
from .realtime import Realtime
from .stream import Dialogue, Frame, Session
from .websocket import WebSocketSession
from .whisperlivekit import WhisperLiveKit

_EXAMPLES = {
    "realtime": "realtime:wss://api.openai.com/v1/realtime#gpt-4o-transcribe",
    "wlk": "wlk:ws://127.0.0.1:8000/asr",
}
_HERE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How a server is asked.

    language: of the speech, as an ISO 639-1 code; None lets the server detect it.
    commit_s: as of `realtime.Realtime`.
    patience_s: as of `websocket.WebSocketSession`.
    """

    language: str | None = "en"
    commit_s: float | None = None
    patience_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server.

    protocol: "realtime", "wlk" or "openai".
    url: without user, password, query or model.
    model: what the server calls it; None where the name of the target says none.
    """

    protocol: str
    url: str
    model: str | None = None

    @classmethod
    def parse(cls, given: str) -> "Target":
        """Return what the name of a target says. Raises `InputError`, which repeats nothing that may be a secret."""
        protocol, _, url = given.partition(":")
        if is_endpoint(given):
            address = Address.parse(given)
            if address.model is None:
                raise InputError(f"target {given!r}: names no model; type for example {given}#whisper-1")
            return cls(protocol, address.url, address.model)
        if protocol not in _EXAMPLES:
            raise unknown("protocol", protocol, [*_EXAMPLES, PREFIX.removesuffix(":")])
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None or parts.query:
            raise InputError(
                f"target {protocol}:URL: a URL with a user, a password or a query, which may be secrets; leave them "
                f"out, and put the key into the environment: {KEYS[0]}"
            )
        try:
            usable = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number
            usable = False
        if not usable:
            raise InputError(f"target {given!r}: no URL of a WebSocket; expected one like {_EXAMPLES[protocol]}")
        return cls(protocol, f"{parts.scheme}://{parts.netloc}{parts.path}", parts.fragment or None)

    def __str__(self) -> str:
        return f"{self.protocol}:{self.url}" + (f"#{self.model}" if self.model else "")

    @property
    def is_here(self) -> bool:
        """Whether it is this machine, or nobody on the way can read what is sent."""
        parts = urlsplit(self.url)
        return parts.scheme == "wss" or parts.hostname in _HERE

    def sessions(self, options: StreamOptions) -> Callable[[], Session]:
        """Return what makes a stream over a WebSocket to the server, each time a new one."""
        key = Key.of(self)
        # `language` is a query of WhisperLiveKit's, `intent` one of the Realtime API
        if self.protocol == "wlk":
            url, new = self.url, WhisperLiveKit
            url += f"?language={options.language}" if options.language else ""
        else:
            url = f"{self.url}?intent=transcription"

            def new() -> Dialogue:
                return Realtime(self.model, options.language, options.commit_s)

        encoded: dict[int, tuple[np.ndarray, Sequence[Frame]]] = {}
        return lambda: WebSocketSession(url, new(), key, options.patience_s, encoded)
