"""Which server is measured, and in which protocol: `realtime:URL#MODEL`, `wlk:URL`, `openai:URL#MODEL`."""

from dataclasses import dataclass

from ...errors import InputError, unknown
from ..address import PREFIX, Address, is_endpoint

_EXAMPLES = {
    "realtime": "realtime:wss://api.openai.com/v1/realtime#gpt-4o-transcribe",
    "wlk": "wlk:ws://127.0.0.1:8000/asr",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A server. protocol: "realtime", "wlk" or "openai"."""

    protocol: str
    address: Address

    @classmethod
    def parse(cls, given: str) -> "Target":
        """Return what the name of a target says. Raises `InputError`, which repeats nothing that may be a secret."""
        protocol, _, url = given.partition(":")
        if is_endpoint(given):
            address = Address.parse(given)
            if address.model is None:
                raise InputError(f"target {given!r}: names no model; type for example {given}#whisper-1")
            return cls(protocol, address)
        if protocol not in _EXAMPLES:
            raise unknown("protocol", protocol, [*_EXAMPLES, PREFIX.removesuffix(":")])
        return cls(protocol, Address.read(f"target {protocol}:URL", url, ("ws", "wss"), _EXAMPLES[protocol]))

    def __str__(self) -> str:
        model = self.address.model
        return f"{self.protocol}:{self.address.url}" + (f"#{model}" if model else "")
