"""What seams between calls did, in the report: errors by distance from the nearest cut, and the kinds of damage."""

from collections.abc import Sequence
from dataclasses import dataclass

from .charts import svg
from .markup import Markup, Scale, el, join, ticks
from .report_data import Node, Score
from .report_tables import scrolling, table_of
from .units import percent, seconds
from .window_chart import LEFT, RIGHT, SHAPES, End, end_labels

_FEW_WORDS = 20  # a class of fewer words has no rate worth drawing
_TYPICAL_S = 5.0  # of several windows of a strategy, the one next to this is drawn
_DAMAGES = ("dropped", "duplicated", "hallucinated", "looped")
ABOUT = (
    "Word error rate by how far a word is from the nearest cut, where the audio of a call begins or ends. A curve that "
    "falls from the left says that cuts make the errors; a flat one, that they do not: overlapping windows have cuts "
    "which other calls heard across. Classes of fewer than 20 words are left out."
)
DAMAGE = (
    "Dropped: missing words between words of different calls. Duplicated: extra words that another call had committed "
    "beside them. Hallucinated: extra words where nobody speaks for a second or more. Looped: extra words in a phrase "
    "said three times or more. All in percent of the spoken words."
)


@dataclass(frozen=True, slots=True)
class Class:
    """The words at one distance from a cut, up to `to_s`; None has no end."""

    from_s: float
    to_s: float | None
    score: Score

    @property
    def name(self) -> str:
        if self.to_s == 0:
            return "cut through"
        return f"to {self.to_s:g} s" if self.to_s is not None else f"over {self.from_s:g} s"


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of listening, with the damage at its seams by kind, and its errors by distance from a cut.

    `strategy` is empty of a backend's row, whose windows are those of its span.
    """

    name: str
    strategy: str
    window_s: float | None
    score: Score
    damage: dict[str, float]
    curve: tuple[Class, ...]


def settings_of(root: Node) -> list[Setting]:
    """Everything in a results.json whose seams were looked at: an evaluation, or points of curves, then rows."""
    own = root.child("settings")
    name = own.text("strategy") or ""
    found = [_setting(root, name, name, own.number("window_s"), root.child("total"))]
    for curve in root.children("curves"):
        strategy, step_s = curve.text("strategy") or "", curve.number("step_s")
        step = f", step {seconds(step_s)}" if step_s else ""
        for point in curve.children("points"):
            window_s = point.number("window_s")
            found.append(_setting(point, f"{strategy}, {seconds(window_s)}{step}", strategy, window_s, point))
    for row in root.children("rows"):
        name = f"{row.text('backend')}, {seconds(row.number('span_s'))}"
        found.append(_setting(row, name, "", row.number("span_s"), row))
    return [one for one in found if one is not None]


def _setting(node: Node, name: str, strategy: str, window_s: float | None, score: Node) -> Setting | None:
    seams = node.child("boundary_errors")
    if not seams.value:
        return None
    damage = {kind: seams.number(kind) or 0.0 for kind in _DAMAGES}
    curve = tuple(
        Class(one.number("from_s") or 0.0, one.number("to_s"), Score.read(one)) for one in seams.children("curve")
    )
    return Setting(name, strategy, window_s, Score.read(score), damage, curve)


def boundary_section(root: Node) -> Markup | None:
    """The figure and the table; None where a run has no seams to show."""
    found = [one for one in settings_of(root) if one.score.ref_words]
    if not found:
        return None
    drawn = typical([one for one in found if any(_drawn(place) for place in one.curve)])
    chart = scrolling(errors_by_distance(drawn), "Errors by distance from a cut") if drawn else None
    heading = "What the seams do"
    figure = el("figure", el("h2", heading), el("figcaption", ABOUT, class_="about"), chart)
    table = el("details", el("summary", "The damage by kind"), el("p", DAMAGE, class_="about"), _table(found))
    return el("section", figure, table)


def typical(found: Sequence[Setting]) -> list[Setting]:
    """Of each strategy the setting whose window is next to 5 s, at most four: more lines cannot be told apart."""
    best: dict[str, Setting] = {}
    for one in (one for one in found if one.strategy):
        here = best.get(one.strategy)
        if here is None or _from_typical(one) < _from_typical(here):
            best[one.strategy] = one
    return list(best.values())[:4]


def _from_typical(one: Setting) -> float:
    return abs((one.window_s or _TYPICAL_S) - _TYPICAL_S)


def _drawn(place: Class) -> bool:
    return place.score.wer is not None and (place.score.ref_words or 0) >= _FEW_WORDS


def errors_by_distance(found: Sequence[Setting]) -> Markup:
    """Lines of word error rate over the classes of distance, one for each setting."""
    places = max((one.curve for one in found), key=len)
    x = Scale(0, max(1, len(places) - 1), LEFT + 40, RIGHT - 40)
    highest = max(place.score.wer or 0 for one in found for place in one.curve if _drawn(place))
    steps = ticks(max(highest, 0.05) * 100, 6)
    y = Scale(0, steps[-1] / 100, 340, 40)
    parts = [el("text", "Word error rate, percent", x=0, y=14, class_="head")]
    for step in steps:
        at = y(step / 100)
        parts.append(el("line", x1=LEFT, x2=RIGHT, y1=at, y2=at, class_="grid" if step else "axis"))
        parts.append(el("text", f"{step:g}", x=LEFT - 8, y=at + 4, class_="tick", text_anchor="end"))
    for i, place in enumerate(places):
        parts.append(el("text", place.name, x=x(i), y=y.start + 20, class_="tick", text_anchor="middle"))
    name = "Distance of the word from the nearest cut"
    parts.append(el("text", name, x=RIGHT, y=y.start + 42, class_="head", text_anchor="end"))
    ends: list[End] = []
    for index, one in enumerate(found):
        points = [(x(i), y(place.score.wer or 0), place) for i, place in enumerate(one.curve) if _drawn(place)]
        parts.append(_line(one, index, points))
        note = f"window {seconds(one.window_s)}" if one.window_s else ""
        ends.append((points[-1][1], one.strategy, note, f"series s{index % 4}"))
    parts += end_labels(ends, y)
    described = [
        f"{one.name}: " + ", ".join(f"{p.name} {percent(p.score.wer)}" for p in one.curve if _drawn(p)) for one in found
    ]
    return svg("Errors by distance from a cut", "; ".join(described), y.start + 50, parts)


def _line(one: Setting, index: int, points: Sequence[tuple[float, float, Class]]) -> Markup:
    line = "".join(f"{'L' if i else 'M'}{x:.2f} {y:.2f}" for i, (x, y, _) in enumerate(points))
    marks = [
        el(
            "path",
            el("title", f"{one.name}, {place.name}: {percent(place.score.wer)} of {place.score.ref_words:,.0f} words"),
            d=SHAPES[index % 4](x, y),
            class_="point",
        )
        for x, y, place in points
    ]
    return el("g", el("path", d=line, class_="line"), *marks, class_=f"series s{index % 4}")


def _table(found: Sequence[Setting]) -> Markup:
    head = ["Setting", "WER", "of words cut through", "of the others", *(kind.capitalize() for kind in _DAMAGES)]
    rows = []
    for one in found:
        words = one.score.ref_words or 1.0
        cut, rest = one.curve[:1], one.curve[1:]
        damage = [percent(one.damage[kind] / words) for kind in _DAMAGES]
        rows.append([one.name, percent(one.score.wer), _rate(cut), _rate(rest), *damage])
    return scrolling(table_of(head, rows), "The damage at seams by kind")


def _rate(places: Sequence[Class]) -> Markup:
    words = sum(place.score.ref_words or 0 for place in places)
    errors = sum(
        (place.score.substitutions or 0) + (place.score.deletions or 0) + (place.score.insertions or 0)
        for place in places
    )
    return join("–") if not words else join(percent(errors / words), el("small", f"{words:,.0f} words"))
