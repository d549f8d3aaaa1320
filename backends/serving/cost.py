"""What an hour of audio costs on a server, in dollars and joules, by the device files or by prices of the user.

No price is made up. Where one is not known, the answer says for which device, and at which price per chip that device
would break even with another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..devices.device import Device
from ..devices.files import device_names
from ..errors import InputError, unknown
from ..gpu.gpu import Gpu
from ..hybrid.hybrid import Hybrid
from ..lpu.lpu import Lpu
from ..measured.here import Here
from ..roofline import Roofline
from ..timing import Backend
from ..workload.workload import Workload

_LEAST_USD, _MOST_USD = 1e-6, 1e6  # what a price for an hour may be: sums and quotients of such stay finite
# Watts of devices in a rack: an assumption, that of four DGX H100 in the racks of NVIDIA's DGX SuperPOD reference
# architecture: 32 GPUs of 700 W, in systems of 10.2 kW at most (DGX H100 data sheet; both recalled, not read again).
RACK_W = 4 * 8 * 700.0


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for one card or chip and hour, the ends of the range in which it may lie, and where it is from."""

    usd_per_h: float
    low: float
    high: float
    source: str


@dataclass(frozen=True, slots=True)
class Part:
    """The cards or chips of one device in a server.

    device, kind: as in its device file. units: how many.
    price: of each; None if nobody named one. power_w: design power of each in watts; None if it is not known.
    """

    device: str
    kind: str
    units: int
    price: Price | None
    power_w: float | None


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill of a server: all its parts."""

    parts: tuple[Part, ...]

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The names of the devices without a price."""
        return tuple(part.device for part in self.parts if part.price is None)

    def usd_per_h(self, end: str = "usd_per_h") -> float | None:
        """Return the dollars per hour of the whole server; None if a price is missing.

        end: "low" or "high" for that end of the range of every price.
        """
        total = 0.0
        for part in self.parts:
            if part.price is None:
                return None
            total += part.units * getattr(part.price, end)
        return total

    @property
    def power_w(self) -> float | None:
        """Design power of the whole server in watts, without hosts, network and cooling; None if one is unknown."""
        known = [part.units * part.power_w for part in self.parts if part.power_w is not None]
        return sum(known) if len(known) == len(self.parts) else None

    def usd_per_audio_h(self, streams: int) -> float | None:
        """Return the dollars for an hour of audio with `streams` streams on the server; None if a price is missing."""
        total = self.usd_per_h()
        return None if total is None or not streams else total / streams

    def joules_per_audio_h(self, streams: int) -> float | None:
        """Return the joules for an hour of audio at design power, an upper bound; None if a power is not known."""
        return None if self.power_w is None or not streams else self.power_w * 3600 / streams

    def streams_per_kw(self, streams: int) -> float | None:
        """Return the streams for each kilowatt of design power, given those of one server; None if it is not known."""
        return streams / (self.power_w / 1e3) if self.power_w else None

    def streams_per_rack(self, streams: int) -> int | None:
        """Return the streams of as many whole servers as `RACK_W` feeds; None if the power is not known."""
        return streams * int(RACK_W // self.power_w) if self.power_w else None

    def break_even_usd_per_h(self, streams: int, usd_per_audio_h: float) -> float | None:
        """Return the price, per card or chip and hour, at which an hour of audio would cost `usd_per_audio_h` dollars.

        It is the price of the one device that has none; None if all have one, or several have none. It is below 0 if
        the other devices alone cost more.
        """
        asked = [part for part in self.parts if part.price is None]
        if len(asked) != 1:
            return None
        rest = sum(part.units * part.price.usd_per_h for part in self.parts if part.price is not None)
        return (usd_per_audio_h * streams - rest) / asked[0].units


@dataclass(frozen=True, slots=True)
class Reference:
    """What a public service asks for an hour of audio. live: whether it transcribes live streams rather than files."""

    name: str
    usd_per_audio_h: float
    live: bool
    source: str


_GROQ = "Groq documentation, speech to text; read 2026"
_GUIDE = "apiscout.dev, Speech-to-Text APIs, 2026-03-16 (secondary)"
REFERENCES = (
    Reference("GroqCloud whisper-large-v3", 0.111, False, _GROQ),
    Reference("GroqCloud whisper-large-v3-turbo", 0.04, False, _GROQ),
    Reference("AssemblyAI Universal-Streaming", 0.15, True, _GUIDE),
    Reference("Deepgram nova-3", 0.0077 * 60, True, _GUIDE),
)


def read_price(text: str, own: Iterable[str] = ()) -> tuple[str, Price]:
    """Return the device and the price that a text such as `h100=2.5` or `groq-v1=0.4..2` gives.

    The numbers are dollars for a card or chip and hour; a range stands for its geometric mean. own: names of devices
    beside those that ship. Raises `InputError` for any other text.
    """
    name, equals, amount = text.partition("=")
    if not equals:
        raise InputError(f"price {text!r}; expected DEVICE=USD_PER_HOUR, for example h100=2.5 or groq-v1=0.4..2")
    if name not in (known := [*device_names(), "here", *own]):
        raise unknown("device", name, known)
    ends = amount.split("..")
    try:
        low, high = float(ends[0]), float(ends[-1])
    except ValueError:
        low = high = -1.0
    if len(ends) > 2 or not _LEAST_USD <= low <= high <= _MOST_USD:
        raise InputError(f"price {text!r}; expected dollars per hour, {_LEAST_USD:f} to {_MOST_USD:.0f}, or LOW..HIGH")
    return name, Price((low * high) ** 0.5, low, high, "given by the user")


def bill_of(backend: Backend, prices: Mapping[str, Price], call: Workload) -> Bill:
    """Return the parts of a backend with their prices: those of `prices`, else those of the device files.

    call: decides how many chips an LPU needs. Raises `InputError` for a backend without a device file.
    """
    if isinstance(backend, Here):
        return Bill((Part("here", "measured", 1, prices.get("here"), None),))
    return Bill(tuple(_part(device, units, prices) for device, units in _units(backend, call)))


def _units(backend: Backend, call: Workload) -> list[tuple[Device, int]]:
    if isinstance(backend, Hybrid):
        return [(backend.gpu.device, 1), *_units(backend.lpu, backend.lpu_part(call) or call)]
    if isinstance(backend, Lpu):
        return [(backend.device, backend.chips_for(backend.adapt(call)))]
    if isinstance(backend, Gpu | Roofline):
        return [(backend.device, 1)]
    raise InputError(f"{backend.name} has no device file; its cost cannot be told")


def _part(device: Device, units: int, prices: Mapping[str, Price]) -> Part:
    price, figure = prices.get(device.name), device.figures.get("price")
    if price is None and figure is not None:
        low, high = figure.range or (figure.value, figure.value)
        price = Price(figure.value, low, high, figure.source)
    return Part(device.name, device.kind, units, price, device["power"] if "power" in device.figures else None)
