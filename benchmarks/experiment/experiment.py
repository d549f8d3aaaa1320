"""What is to be heard, how it is cut, what is timed and how it is scored: everything that decides a result."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ...backends.errors import InputError, unknown
from ...backends.measured.address import Address, is_endpoint
from ...backends.measured.records import EndpointOptions
from ...backends.reading import read_toml
from ...backends.workload.op import LONGEST_S
from ...backends.workload.workload import PADDINGS
from ...datasets.selection import STREAM_KEYS
from .store import convert

DEFAULT_MODEL, STOOD_IN_FOR = "tiny.en", "large-v3"  # what is heard, and what is timed unless told otherwise
MOST_STREAMS = 100_000  # on one backend; the fastest known carries some thousands, and planning takes time by streams
SHORTEST_S = 0.02  # of a step or a window: one frame of the encoder; shorter ones are calls without end
WORD_TIMES = ("model", "none")
PLAYS = ("span", "grid")
IMPORTED = "imported"  # the strategy of a system whose answers were read from a file: its own, whatever that is


@dataclass(frozen=True, slots=True, order=True)
class Load:
    """How many streams share a backend, and how often each of them calls.

    step_s: seconds between two calls of a stream.
    streams: live recordings on one backend.
    """

    step_s: float
    streams: int

    @classmethod
    def parse(cls, text: "str | Load") -> "Load":
        """Return the load that `text` names, as in `16x0.25`: 16 streams, a call every 0.25 s each."""
        if isinstance(text, Load):
            return text
        streams, _, step_s = text.partition("x")
        try:
            found = cls(float(step_s), int(streams))
        except ValueError:
            raise InputError(f"load {text!r}: expected STREAMSxSTEP, for example 16x0.25") from None
        if not (1 <= found.streams <= MOST_STREAMS and 0 < found.step_s < math.inf):
            raise InputError(f"load {text!r}: expected 1 to {MOST_STREAMS:,} streams, and a step of more than 0 s")
        return found

    @property
    def name(self) -> str:
        """The load as it is typed."""
        return f"{self.streams}x{self.step_s:g}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """One experiment; frozen, and checked when it is made. Raises `InputError` for what cannot be run.

    model: the Whisper that is heard, an official name or the path of a checkpoint.
    timed_as: the Whisper whose times are simulated; None for the model, or large-v3 where that is the default model.
    dataset: what is listened to: names or paths, see `earspan.open_dataset`.
    recordings: how many are heard, the first ones, of several datasets in turn; None for all.
    head_s: how much of each is heard, if word times tell where to stop; None for all.
    longest_s: recordings longer than this are left out.
    hours: a sample of so many hours, drawn by `seed`.
    join: "speaker" or "chapter": recordings of one are joined into one stream, with `gap_s` of silence between.
    word_times: "model" to align references that have none by the model that hears, or "none" to do without.
    engine, device, precision, decoding, language, task: how calls are transcribed; language "auto" is detected.
    draft: whether the text of the window before is checked instead of decoded again. The text is the same.
    cache: whether transcripts of earlier runs are used and kept.
    strategy: how backends cut live audio.
    step_s: seconds between calls where windows slide; by default the first load's.
    windows_s: windows heard on infinitely fast hardware, by strategy; plain windows are of `strategy`.
    window_s: the window of every backend; by default the longest of its strategy's `windows_s` within its span, or the
        span itself where there are none.
    play: "span" to play each backend in its own window, "grid" to play it in every window of `windows_s`.
    overload: what a stream does when its calls come too fast.
    backends: what is timed: simulated devices, and measured endpoints as "openai:URL" or "openai:URL#MODEL", whose
        text is their own too. Where all are endpoints, `model` is what they call theirs.
    endpoint: how endpoints are asked, and what may be spent on them.
    time_heard: whether spans are planned for the model that is heard as well, so that time and text are of one Whisper.
    loads: streams and steps, as "16x0.25"; the first is played, spans are planned for all.
    latency_s: how late a word may be shown, in seconds.
    padding: "full" to time calls padded to 30 s, or "fit" to time them as long as their audio.
    normaliser: what is done to texts before words are compared.
    seed: of every random draw.
    """

    model: str = DEFAULT_MODEL
    timed_as: str | None = None
    dataset: str | tuple[str, ...] = ("talks-clean",)
    recordings: int | None = None
    head_s: float | None = None
    longest_s: float | None = None
    hours: float | None = None
    join: str | None = None
    gap_s: float = 0.5
    word_times: str = "model"
    engine: str = "torch"
    device: str = "cpu"
    precision: str = "auto"
    decoding: str = "transcribe"
    language: str = "en"
    task: str = "transcribe"
    draft: bool = False
    cache: bool = True
    strategy: str = "sliding"
    step_s: float | None = None
    windows_s: tuple[float, ...] | dict[str, tuple[float, ...]] = ()
    window_s: float | None = None
    play: str = "span"
    overload: str = "lag"
    backends: tuple[str, ...] = ()
    endpoint: EndpointOptions = field(default_factory=EndpointOptions)
    time_heard: bool = False
    loads: tuple[str, ...] = ("8x1",)
    latency_s: float | None = None
    padding: str = "full"
    normaliser: str = "whisper"
    seed: int = 0

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        put("dataset", _names(self.dataset))
        put("backends", _names(self.backends))
        put("loads", tuple(dict.fromkeys(Load.parse(load).name for load in _names(self.loads))))
        if not self.loads:
            raise InputError("no load; give one, for example loads=('8x1',)")
        windows: Any = self.windows_s
        if not isinstance(windows, Mapping):
            windows = {self.strategy: windows} if windows else {}
        put("windows_s", {name: tuple(sorted({float(w) for w in own})) for name, own in windows.items()})
        self._check()

    def _check(self) -> None:
        for name in ("recordings", "head_s", "longest_s", "hours", "step_s", "window_s", "latency_s", "gap_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value:g}; expected more than 0")
        for name, allowed in (("word_times", WORD_TIMES), ("play", PLAYS), ("padding", PADDINGS)):
            if getattr(self, name) not in allowed:
                raise unknown(name, getattr(self, name), allowed)
        if self.join is not None and self.join not in STREAM_KEYS:
            raise unknown("join", self.join, STREAM_KEYS)
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; expected 0 or more")
        for step_s in (self.step_s, *(Load.parse(load).step_s for load in self.loads)):
            if step_s is not None and step_s < SHORTEST_S:
                raise InputError(f"step is {step_s:g} s; expected at least {SHORTEST_S:g} s")
        for window_s in (*(w for own in self.grid.values() for w in own), self.window_s or 1.0):
            if not SHORTEST_S <= window_s <= LONGEST_S:
                raise InputError(
                    f"window is {window_s:g} s; expected at least {SHORTEST_S:g} and at most {LONGEST_S:g} s, which is "
                    "all Whisper hears at once"
                )

    @classmethod
    def from_toml(cls, path: str | Path) -> "Experiment":
        """Return the experiment in a TOML file, whose keys are the keywords of this class. Raises `InputError`."""
        return cls.from_keys(read_toml(Path(path)), str(path))

    @classmethod
    def from_keys(cls, given: Mapping[str, Any], origin: str) -> "Experiment":
        """Return the experiment of these keywords. Raises `InputError`, which begins with `origin`."""
        known = [one.name for one in fields(cls)]
        if wrong := sorted(set(given) - set(known)):
            raise InputError(f"{origin}: {unknown('key', wrong[0], known)}")
        listed = ("dataset", "backends", "loads")
        content = {
            name: [value] if name in listed and isinstance(value, str) else value for name, value in given.items()
        }
        try:
            return convert(content, cls)
        except InputError as error:
            raise InputError(f"{origin}: {error}") from error

    @property
    def datasets(self) -> tuple[str, ...]:
        """What is listened to, by name or path."""
        return (self.dataset,) if isinstance(self.dataset, str) else self.dataset

    @property
    def grid(self) -> dict[str, tuple[float, ...]]:
        """Windows that are heard on infinitely fast hardware, ascending, by strategy."""
        return self.windows_s if isinstance(self.windows_s, dict) else {self.strategy: self.windows_s}

    @property
    def load(self) -> Load:
        """The load that is played: the first."""
        return Load.parse(self.loads[0])

    @property
    def heard_step_s(self) -> float:
        """Seconds between calls where windows slide in the grid."""
        return self.step_s or self.load.step_s

    @property
    def is_asked(self) -> bool:
        """Whether all backends are endpoints, so that no Whisper is heard or timed here."""
        return bool(self.backends) and all(map(is_endpoint, self.backends))

    @property
    def timed_model(self) -> str:
        """The Whisper whose times are simulated; where all backends are endpoints, the model of the first."""
        if self.is_asked:
            return Address.parse(self.backends[0]).model or self.model
        return self.timed_as or (STOOD_IN_FOR if self.model == DEFAULT_MODEL else self.model)

    def drafts(self, strategy: str) -> bool:
        """Return whether calls of a strategy are decoded with drafts; disjoint chunks have no text in common."""
        return self.draft and strategy != "disjoint"


def _names(given: str | Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys([given] if isinstance(given, str | Load) else given))
