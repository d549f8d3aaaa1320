"""What the report shows, read from results.json and checked field by field: no page is better than a wrong one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..backends.errors import InputError

SCHEMA = 1
PHASES = ("mel", "encode", "prefill", "decode", "transfer")
LONGEST_S = 30.0  # Whisper's window
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Node:
    """An object of a JSON document with the path to it, so that an error says where it is."""

    value: Mapping[str, Any]
    path: str

    def number(self, key: str, lowest: float = 0.0) -> float | None:
        """A finite number of at least `lowest`; None where absent or null."""
        value = self.value.get(key)
        if value is None:
            return None
        # Reading an integer of 400 digits as a float overflows.
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value < 1e300:
            raise self._wrong(key, f"expected a number from {lowest:g}")
        return float(value)

    def text(self, key: str) -> str | None:
        value = self.value.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, "expected a text")
        return value

    def interval(self, key: str) -> Interval | None:
        value = self.value.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 2:
            raise self._wrong(key, "expected [low, high]")
        low, high = (Node({key: bound}, self.path).number(key) for bound in value)
        if low is None or high is None or low > high:
            raise self._wrong(key, "expected [low, high]")
        return low, high

    def flag(self, key: str) -> bool | None:
        value = self.value.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, "expected true or false")
        return value

    def child(self, key: str) -> "Node":
        """The object at `key`, empty where absent or null."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(key, "expected an object")
        return Node(value or {}, f"{self.path}{key}.")

    def children(self, key: str) -> list["Node"]:
        """The objects of the list at `key`, none where absent or null."""
        nodes = []
        for i, value in enumerate(self._list(key)):
            if not isinstance(value, dict):
                raise self._wrong(key, "expected a list of objects")
            nodes.append(Node(value, f"{self.path}{key}[{i}]."))
        return nodes

    def texts(self, key: str) -> list[str]:
        """The texts of the list at `key`, none where absent or null."""
        values = self._list(key)
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(key, "expected a list of texts")
        return values

    def slots(self, key: str) -> tuple["Slot", ...]:
        """The schedule at `key`, a list of [unit, phase, start_us, end_us]; empty where absent or null."""
        slots = []
        for value in self._list(key):
            if not isinstance(value, list) or len(value) != 4:
                raise self._wrong(key, "expected a list of [unit, phase, start_us, end_us]")
            node = Node(dict(zip(("unit", "phase", "start_us", "end_us"), value, strict=True)), f"{self.path}{key}.")
            start_us, end_us = node.number("start_us"), node.number("end_us")
            if start_us is None or end_us is None or start_us > end_us:
                raise self._wrong(key, "expected start_us up to end_us in each entry")
            slots.append(Slot(node.text("unit") or "", node.text("phase") or "", start_us, end_us))
        return tuple(slots)

    def numbers(self, key: str) -> dict[str, float]:
        """The numbers of the object at `key` by name, in its order; nulls are left out."""
        node = self.child(key)
        found = {name: node.number(name) for name in node.value}
        return {name: value for name, value in found.items() if value is not None}

    def scalars(self, key: str) -> dict[str, str | float | bool]:
        """Whatever texts, numbers and flags the object at `key` holds."""
        values = self.child(key).value
        return {name: value for name, value in values.items() if isinstance(value, str | int | float | bool)}

    def _list(self, key: str) -> list[Any]:
        value = self.value.get(key)
        if value is not None and not isinstance(value, list):
            raise self._wrong(key, "expected a list")
        return value or []

    def _wrong(self, key: str, expected: str) -> InputError:
        given = repr(self.value.get(key))
        return InputError(f"{self.path}{key} is {given if len(given) <= 40 else given[:37] + '...'}; {expected}")


@dataclass(frozen=True, slots=True)
class Slot:
    """A unit of an LPU's chips at work, microseconds from the start of a call; of unit "program", a whole phase."""

    unit: str
    phase: str
    start_us: float
    end_us: float


@dataclass(frozen=True, slots=True)
class Score:
    """A pooled word error rate, as a fraction, its 95 % interval and what it was counted from."""

    wer: float | None
    ci95: Interval | None
    substitutions: float | None
    deletions: float | None
    insertions: float | None
    ref_words: float | None

    @classmethod
    def read(cls, node: Node) -> "Score":
        counts = map(node.number, ("substitutions", "deletions", "insertions", "ref_words"))
        return cls(node.number("wer"), node.interval("wer_ci95"), *counts)

    @property
    def highest(self) -> float:
        """The largest value that a chart of it has to show."""
        return max(self.wer or 0.0, self.ci95[1] if self.ci95 else 0.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One backend under one setting; times are seconds of the simulated (or measured) backend."""

    backend: str
    describe: str
    provenance: str
    strategy: str
    limited_by: str
    streams: float | None
    step_s: float | None
    span_s: float | None
    service_s: float | None
    ceiling_s: float | None
    speed_factor: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None
    phases: dict[str, float]
    schedule: tuple[Slot, ...]
    sustainable: bool | None
    score: Score

    @classmethod
    def read(cls, node: Node) -> "Row":
        backend = node.text("backend")
        if not backend:
            raise InputError(f"{node.path}backend is missing; expected a name")
        return cls(
            backend=backend,
            describe=node.text("describe") or "",
            provenance=node.text("provenance") or "",
            strategy=node.text("strategy") or "",
            limited_by=node.text("limited_by") or "",
            streams=node.number("streams"),
            step_s=node.number("step_s"),
            span_s=node.number("span_s"),
            service_s=node.number("service_s"),
            ceiling_s=node.number("ceiling_s"),
            speed_factor=node.number("speed_factor"),
            # below 0 where a word is guessed before its end
            latency_p50_s=node.number("latency_p50_s", lowest=-1e300),
            latency_p95_s=node.number("latency_p95_s", lowest=-1e300),
            phases=node.numbers("phases"),
            schedule=node.slots("schedule"),
            sustainable=node.flag("sustainable"),
            score=Score.read(node),
        )

    @property
    def due_s(self) -> float | None:
        """Seconds the backend has for one call of every stream: the step, or for disjoint chunks the window."""
        return self.step_s or self.span_s or None

    @property
    def load(self) -> float | None:
        """Service time over the time there is for it; above 1 it falls behind."""
        return self.service_s / self.due_s if self.service_s is not None and self.due_s else None


@dataclass(frozen=True, slots=True)
class Point:
    window_s: float
    score: Score


@dataclass(frozen=True, slots=True)
class Curve:
    """Word error rate against window under one strategy; points that were scored, by rising window."""

    strategy: str
    step_s: float | None
    recordings: float | None
    points: tuple[Point, ...]

    @classmethod
    def read(cls, node: Node) -> "Curve":
        points = []
        for point in node.children("points"):
            window_s = point.number("window_s", lowest=1e-3)
            if window_s is None:
                raise InputError(f"{point.path}window_s is missing; expected seconds")
            points.append(Point(window_s, Score.read(point)))
        scored = sorted((p for p in points if p.score.wer is not None), key=lambda point: point.window_s)
        return cls(node.text("strategy") or "", node.number("step_s"), node.number("recordings"), tuple(scored))

    def wer_at(self, window_s: float) -> float | None:
        """The rate where the drawn line, straight over log(window), passes `window_s`; None beyond its ends."""
        for left, right in zip(self.points, self.points[1:] or self.points, strict=False):
            if left.window_s <= window_s <= right.window_s and left.score.wer is not None:
                if window_s == left.window_s or right.score.wer is None:
                    return left.score.wer
                part = math.log(window_s / left.window_s) / math.log(right.window_s / left.window_s)
                return left.score.wer + part * (right.score.wer - left.score.wer)
        return None


@dataclass(frozen=True, slots=True)
class Plan:
    """One cell of the planner's table."""

    backend: str
    streams: float
    step_s: float
    span_s: float | None
    limited_by: str

    @classmethod
    def read(cls, node: Node) -> "Plan":
        streams, step_s = node.number("streams"), node.number("step_s")
        if streams is None or step_s is None:
            raise InputError(f"{node.path}streams and {node.path}step_s are needed; give both")
        return cls(node.text("backend") or "", streams, step_s, node.number("span_s"), node.text("limited_by") or "")


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows; `root` holds the rest, which is shown as it is."""

    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    offline: Score
    spans: tuple[Plan, ...]
    failed: tuple[tuple[str, str], ...]
    warnings: list[str]
    summary: list[str]
    root: Node

    @classmethod
    def read(cls, results: Any) -> "Report":
        """Check a parsed results.json. Rows come out by rising span, the slower backend first among equals.

        Raises `InputError` with the path of the first field that is not what it should be.
        """
        if not isinstance(results, dict) or results.get("schema") != SCHEMA:
            given = results.get("schema") if isinstance(results, dict) else type(results).__name__
            raise InputError(f"schema is {given!r}; expected {SCHEMA}: make the run again with this version")
        root = Node(results, "")
        rows = [Row.read(node) for node in root.children("rows")]
        return cls(
            tuple(sorted(rows, key=lambda row: (row.span_s or 0, -(row.load or 0)))),
            tuple(curve for node in root.children("curves") if (curve := Curve.read(node)).points),
            Score.read(root.child("offline")),
            tuple(Plan.read(node) for node in root.children("spans")),
            tuple((one.text("recording") or "", one.text("reason") or "") for one in root.children("failed")),
            root.texts("warnings"),
            root.texts("summary"),
            root,
        )
