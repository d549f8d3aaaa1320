"""One HTML file that plays a recording, and beside it what each setting had on screen at every moment.

Without its script, and on paper, it is the whole text of every lane beside the browser's own audio controls.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from ..experiment import store
from ..report.page import THEMES, Markup, el, fold, join, list_items
from .content import Caption, Lane, Replay, ShownWord
from .sound import compress, draw_peaks

SPAN_S = 20  # of a strip, as in player.js
SPEEDS = ("0.5", "1", "1.5", "2")
_LONGEST = 200  # characters of a word; of longer ones the middle is left out
_ROWS, _WAITS = 30, 3  # height of a strip in units of its own; calls that wait are drawn in so many rows in turn
LEGEND = {
    "window": "what the latest call hears",
    "working": "a call is worked on",
    "shown": "words are shown",
    "waiting": "a call waits for those before it",
}
KEYS = {
    "Space": "play or pause",
    "Left, Right": "5 s back, 5 s on",
    "Shift with Left, Right": "to the caption before, to the next one, of the lane that is followed",
    "Home, End": "to the start, to the end",
    "Up, Down": "faster, slower",
    "1 to 4": "follow this lane: a screen reader says its captions while the audio plays",
}


def render_replay(replay: Replay, notes: Sequence[str]) -> str:
    """Return the page of a replay as HTML. It loads nothing, and runs no script but its own.

    notes: where texts and times come from, a sentence each.
    """
    script, digest = _script()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; media-src data:; "
        f"script-src 'sha256-{digest}'"
    )
    title = f"Replay of {shorten(replay.recording)}"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("title", title),
        el("style", _style()),
    )
    body = el(
        "main",
        el("p", el("b", "earspan"), " replay", class_="brand"),
        el("h1", shorten(replay.recording)),
        el("p", "Play it, and each lane shows its words at the moment that its hardware would have shown them.",
           class_="about"),
        _player(replay),
        _speech(replay),
        el("p", *(el("span", text, class_=f"key {name}") for name, text in LEGEND.items()), class_="about legend"),
        el("div", *(_lane(lane, number, replay.duration_s) for number, lane in enumerate(replay.lanes, start=1)),
           class_="lanes"),
        fold("How to read it", list_items(_reading())),
        fold("Keys", el("dl", *(part for key, does in KEYS.items() for part in (el("dt", key), el("dd", does))),
                        class_="keys")),
        el("footer", list_items(notes)),
    )  # fmt: skip
    return f"<!doctype html>\n{el('html', head, el('body', body, el('script', script)), lang='en')}\n"


def shorten(text: str) -> str:
    """Return a text that there is room for: of a long one the middle is left out."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half:]}"


def _player(replay: Replay) -> Markup:
    wave = el(
        "svg",
        el("g", el("path", d=draw_peaks(replay.audio, 13, 12), class_="sound"),
           el("path", d=_dashes((w.start_s, w.end_s) for w in replay.words), class_="marks"), id="sound"),
        viewBox=f"0 0 {replay.duration_s:.3f} {_ROWS}", preserveAspectRatio="none", aria_hidden="true",
    )  # fmt: skip
    slider = el(
        "div", wave, el("div", class_="playhead"), id="position", role="slider", tabindex="0",
        aria_label="Position in the recording", aria_valuemin="0", aria_valuemax=f"{replay.duration_s:.2f}",
        aria_valuenow="0", aria_valuetext="at the start",
    )  # fmt: skip
    buttons = (("play", "Play"), ("back", "5 s back"), ("on", "5 s on"), ("next", "Next caption"))
    speeds = (
        el("label", _input(type="radio", name="speed", value=speed, checked="" if speed == "1" else None),
           el("span", f"{speed} ×"))
        for speed in SPEEDS
    )  # fmt: skip
    has_marks = any(word.said is not None or word.missed for lane in replay.lanes for word in _words(lane)) or any(
        caption.missed for lane in replay.lanes for caption in lane.captions
    )
    marks = el("label", _input(type="checkbox", id="errors"), el("span", "Mark errors")) if has_marks else None
    controls = el(
        "div",
        *(el("button", text, type="button", id=name) for name, text in buttons),
        el("span", el("b", "0:00.0", id="time"), f" of {_clock(replay.duration_s)}", class_="time"),
        el("fieldset", el("legend", "Speed"), *speeds),
        marks,
        class_="controls", hidden="",
    )  # fmt: skip
    audio = el("audio", controls="", preload="auto", src=compress(replay.audio), aria_label="The recording")
    return el("section", audio, slider, controls, aria_label="Player", class_="player")


def _speech(replay: Replay) -> Markup | None:
    """The reference as it is spoken, under the sound around the playhead."""
    if not replay.words:
        return el("section", _strip(replay.duration_s, el("use", href="#sound")), class_="lane", data_calls="[]")
    said = join(*(el("span", f"{shorten(word.text)} ", class_="said") for word in replay.words))
    return el(
        "section",
        el("header", el("h2", "What is said"), el("p", "each word when it has been spoken", class_="about")),
        el("div", el("p", said), class_="captions", tabindex="0", role="region", aria_label="What is said"),
        _strip(replay.duration_s, el("use", href="#sound")),
        class_="lane speech",
        data_calls=store.encode([[w.start_s, w.end_s, w.end_s, w.end_s, w.end_s] for w in replay.words]),
    )


def _lane(lane: Lane, number: int, duration_s: float) -> Markup:
    calls = [caption.call for caption in lane.captions]
    service = _bars((11, 10, c.start_at_s, c.finish_at_s) for c in calls)
    waits = _bars((23 + n % _WAITS * 2, 1.4, c.arrival_at_s, c.start_at_s) for n, c in enumerate(calls))
    shown = "".join(f"M{caption.call.finish_at_s:.3f},9V23" for caption in lane.captions if caption.words)
    strip = _strip(
        duration_s,
        el("rect", class_="window", y="0", height="8", width="0"),
        el("path", d=service, class_="working"),
        el("path", d=waits, class_="waiting"),
        el("path", d=shown, class_="shown"),
        label=f"Calls of {lane.name} around the playhead: window, work and wait",
    )
    follow = _input(type="radio", name="follow", value=str(number), checked="" if number == 1 else None)
    spoken = el("span", *(_caption(caption) for caption in lane.captions), class_="live")
    interim = (el("span", shorten(" ".join(c.interim)), class_="interim", hidden="") for c in calls)
    return el(
        "section",
        el(
            "header",
            el("h2", lane.name),
            el("p", lane.about, class_="about"),
            el("label", follow, el("span", f"Follow {number}"), class_="follow"),
        ),
        el("div", el("p", spoken, *interim), class_="captions", tabindex="0", role="region",
           aria_label=f"Captions of {lane.name}, {lane.about}"),
        strip,
        el("p", el("span", "", class_="status"), el("span", "; ".join(lane.facts)), class_="facts-line"),
        class_="lane",
        aria_label=f"{lane.name}, {lane.about}",
        data_calls=store.encode([[c.start_s, c.end_s, c.arrival_at_s, c.start_at_s, c.finish_at_s] for c in calls]),
    )  # fmt: skip


def _caption(caption: Caption) -> Markup:
    gap = tuple(_gap(word) for word in caption.missed)
    return el("span", *(part for word in caption.words for part in _word(word)), *gap, class_="said",
              data_at=f"{caption.call.finish_at_s:.6f}")  # fmt: skip


def _word(word: ShownWord) -> Iterable[Markup]:
    yield from map(_gap, word.missed)
    text = shorten(word.text)
    if word.said is None:
        yield el("span", text, class_="word")
    else:
        said = el("rt", shorten(word.said)) if word.said else el("rt", "not said", class_="none")
        yield el("ruby", text, said, class_="word wrong")
    yield Markup(" ")


def _gap(missed: str) -> Markup:
    return join(el("span", el("span", "missing: ", class_="unseen"), shorten(missed), class_="gap"), " ")


def _input(**attributes: str | None) -> Markup:
    return Markup(el("input", **attributes).removesuffix("</input>"))


def _words(lane: Lane) -> Iterable[ShownWord]:
    return (word for caption in lane.captions for word in caption.words)


def _strip(duration_s: float, *drawn: Markup, label: str = "The sound around the playhead") -> Markup:
    """What happens around the playhead: a film in seconds that the script moves, and a cover over what is to come."""
    film = el("svg", *drawn, class_="film", viewBox=f"0 0 {duration_s:.3f} {_ROWS}", preserveAspectRatio="none",
              style=f"width:{100 * duration_s / SPAN_S:.3f}%", aria_hidden="true")  # fmt: skip
    return el("div", film, el("div", class_="now"), class_="strip", role="img", aria_label=label)


def _bars(bars: Iterable[tuple[float, float, float, float]]) -> str:
    """Return rectangles as one path, each by its top, height, begin and end; those without a length are left out."""
    return "".join(
        f"M{begin_s:.3f},{top:g}H{end_s:.3f}v{height:g}H{begin_s:.3f}Z"
        for top, height, begin_s, end_s in bars
        if end_s - begin_s >= 1e-3
    )


def _dashes(words: Iterable[tuple[float, float]]) -> str:
    return "".join(f"M{begin_s:.2f},28H{max(end_s - 0.04, begin_s):.2f}" for begin_s, end_s in words)


def _clock(at_s: float) -> str:
    return f"{int(at_s // 60)}:{at_s % 60:04.1f}"


def _reading() -> list[str]:
    return [
        "Dim words are interim: the next call may put others in their place. Solid ones are there for good.",
        "The strip under a lane is the last 18 s. A backend whose bars of work touch has no time to spare; where calls "
        "wait, it falls behind.",
        "With errors marked, a wrong word is underlined and what was said stands above it; a box is a word that was "
        "said and is missing. Words are compared as they are scored, without case and punctuation.",
    ]


@cache
def _script() -> tuple[Markup, str]:
    source = _beside("player.js")
    return Markup(source), b64encode(sha256(source.encode()).digest()).decode()


@cache
def _style() -> Markup:
    def colours(theme: str) -> str:
        return f":root{{color-scheme:{theme};{''.join(f'--{name}:{c};' for name, c in THEMES[theme].items())}}}"

    dark = f"@media screen and (prefers-color-scheme:dark){{{colours('dark')}}}"
    return Markup(f"{colours('light')}{dark}\n{_beside('player.css')}")


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
