"""Where an endpoint is and what opens it: the backend `openai:URL`, `openai:URL#MODEL`, and keys of the environment."""

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import InputError

PREFIX = "openai:"
KEYS = ("EARSPAN_API_KEY", "OPENAI_API_KEY")
_HERE = ("127.0.0.1", "::1", "localhost")
_EXAMPLE = "openai:http://127.0.0.1:8000/v1, or openai:https://HOST/v1#MODEL"


def is_endpoint(backend: str) -> bool:
    """Return whether a backend's name is that of a measured endpoint."""
    return backend.startswith(PREFIX)


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).port != -1  # brackets are looked at first, the port when it is asked for
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint.

    url: up to and with `/v1`; it holds no user, password or query.
    model: what the server calls it; None where the backend's name says none.
    """

    url: str
    model: str | None = None

    @classmethod
    def parse(cls, backend: str) -> "Address":
        """Return what the name of a backend says. Raises `InputError`, which repeats nothing that may be a secret."""
        return cls.read(f"backend {PREFIX}URL", backend.removeprefix(PREFIX), ("http", "https"), _EXAMPLE)

    @classmethod
    def read(cls, given: str, url: str, schemes: Collection[str], example: str) -> "Address":
        """Return what `url#MODEL` says.

        given: what was given, without the URL. schemes: those that a URL may have. example: of what was expected.

        Raises `InputError`, which repeats nothing that may be a secret.
        """
        if not _is_url(url):
            raise InputError(f"{given}: no URL; expected {example}")  # unread, so it may hold a secret
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None or parts.query:
            raise InputError(
                f"{given}: a URL with a user, a password or a query, which may be secrets; leave them out, "
                f"and put the key into the environment: {KEYS[0]}"
            )
        if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
            raise InputError(f"{given}: {url!r} is no URL of an endpoint; expected {example}")
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", parts.fragment or None)

    @property
    def place(self) -> str:
        """Host and path, which with the model say who answered."""
        parts = urlsplit(self.url)
        return f"{parts.netloc}{parts.path}"

    @property
    def is_here(self) -> bool:
        """Whether it is this machine, or nobody on the way can read what is sent."""
        parts = urlsplit(self.url)
        return parts.scheme in ("https", "wss") or parts.hostname in _HERE


@dataclass(frozen=True, slots=True)
class Key:
    """A key that shows itself nowhere: not in `repr`, and not in a text that went through `hide`.

    name: of the variable of the environment that holds it; empty for no key.
    """

    name: str = ""
    secret: str = field(default="", repr=False)

    @classmethod
    def of(cls, address: Address) -> "Key":
        """Return the key for an endpoint from the environment; an empty one where there is none.

        `EARSPAN_API_KEY` goes wherever it is pointed at; `OPENAI_API_KEY`, which other programs need too, only where
        nobody on the way can read it.
        """
        for name in KEYS if address.is_here else KEYS[:1]:
            if secret := os.environ.get(name, "").strip():
                return cls(name, secret)
        return cls()

    def hide_in(self, body: bytes) -> bytes:
        """Return the body of an answer without the key."""
        return body.replace(self.secret.encode(), b"***") if self.secret else body

    def hide(self, text: str) -> str:
        """Return `text` without the key, as servers sometimes repeat it."""
        return text.replace(self.secret, "***") if self.secret else text
