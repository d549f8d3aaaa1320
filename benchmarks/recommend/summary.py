"""A recommendation in sentences, and as tables."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from ...backends.gpu.runtimes import RUNTIMES
from ...backends.serving.cost import Price
from ...backends.workload.cutting import cutting_of
from ..report.tables.table import Table
from ..report.terminal import show_table
from ..results.wording import counted, figures, interval, join_words, neutralise, percent, stream_count
from .demand import Demand, type_options
from .records import Changes, Choice, Nearest, Recommendation, Refusal
from .refuse import BACKENDS, BUDGET, ERRORS, LATENCY, POWER, PRICES

CHANGES, RESTS = "What would change it", "What it rests on"
_FIELDS = {BUDGET: "budget_usd_per_h", LATENCY: "latency_s", ERRORS: "wer_within", PRICES: "measure", POWER: "measure",
           BACKENDS: "backends"}  # fmt: skip
# A choice as cells of a table.
CELLS: dict[str, Callable[[Choice], str]] = {
    "choice": lambda one: name_choice(one),
    "backend": lambda one: one.backend,
    "servers>": lambda one: f"{one.servers:,}",
    "units of each>": lambda one: f"{one.units:,}",
    "runtime": lambda one: one.runtime or "-",
    "weights": lambda one: one.weights or "-",
    "cut": lambda one: one.strategy,
    "window>": lambda one: f"{one.window_s:g} s",
    "step>": lambda one: f"{one.step_s:.3g} s",
    "WER, 95 % interval>": lambda one: f"{percent(one.wer)} {interval(one.wer_ci95)}".rstrip(),
    "latency 50/95/99 %, s>": lambda one: " / ".join(
        f"{late_s:.2f}" for late_s in (one.latency_p50_s, one.latency_p95_s, one.latency_p99_s)
    ),
    "streams given>": lambda one: f"{one.streams_given:,} of {one.streams_per_server:,}",
    "left>": lambda one: f"{one.headroom:.0%}",
    "USD/h>": lambda one: _show(one.usd_per_h, ",.2f"),
    "USD/audio h>": lambda one: _show(one.usd_per_audio_h, ".4f"),
    "kJ/audio h>": lambda one: "-" if one.joules_per_audio_h is None else figures(one.joules_per_audio_h / 1000),
    "times are": lambda one: one.provenance,
}
_WAYS = ("choice", "runtime", "weights", "cut", "window>", "step>", "WER, 95 % interval>")
_COSTS = ("backend", "latency 50/95/99 %, s>", "streams given>", "left>", "USD/h>", "USD/audio h>", "kJ/audio h>",
          "times are")  # fmt: skip


def _show(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def print_recommendation(found: Recommendation) -> None:
    """Print the choices, and the answer in sentences."""
    for table in list_choices(found):
        show_table(table.title, table.columns, table.rows)
        print()
    for heading, sentences in summarise(found).items():
        print(heading)
        for sentence in sentences:
            print(neutralise(f"- {sentence}"))
        print()


def list_choices(found: Recommendation) -> tuple[Table, ...]:
    """Return the choices as two tables, each of which fits a terminal; none where there is no choice."""
    if not found.choices:
        return ()
    return (
        Table("The best of each backend, best first", _WAYS, fill_rows(found.choices, _WAYS)),
        Table("What each keeps and costs", _COSTS, fill_rows(found.choices, _COSTS)),
    )


def fill_rows(choices: Iterable[Choice], columns: Sequence[str]) -> list[list[str]]:
    """Return choices as rows of these columns."""
    return [[CELLS[column](choice) for column in columns] for choice in choices]


def summarise(found: Recommendation) -> dict[str, list[str]]:
    """Return the answer in sentences, by heading: the first choice, what would change it, what it rests on."""
    answer = {"No answer": [*_refuse(found, found.refusal)]} if found.refusal else {"The answer": [*_answer(found)]}
    changes = {CHANGES: [*describe_changes(found, found.changes)]} if found.changes else {}
    return answer | changes | {RESTS: [*_describe_footing(found)]}


def describe_demand(found: Recommendation) -> str:
    """Return what was asked for, in words."""
    asked = found.demand
    budget = f", for at most {_usd(asked.budget_usd_per_h)} USD an hour" if asked.budget_usd_per_h else ""
    within = f"at most {counted(100 * asked.wer_within, 'point')} above the best" if asked.wer_within else "as the best"
    return (
        f"{stream_count(asked.streams)} of {asked.model}, {_share(asked)} of words within {asked.latency_s:g} s and a "
        f"word error rate {within} ({percent(found.best_wer)}){budget}"
    )


def _answer(found: Recommendation) -> Iterator[str]:
    first, *others = found.choices
    yield f"For {describe_demand(found)}: {describe_choice(found.demand, first)}."
    if others:
        yield f"Runner-up: {describe_choice(found.demand, others[0])}."
    elif len(set(found.demand.backends)) > 1:
        yield "No other backend that was asked for, and whose cost is known, keeps the demand."
    if found.settled:
        prices = ", and at both ends of every range of prices" if found.demand.measure == "usd" else ""
        yield (
            "Settled: it stays the first when its times are as much longer and those of the others as much shorter as "
            f"their models may be off{prices}."
        )
    else:
        turned = [f"with {turn.when}, {turn.backend or 'none'} is first" for turn in found.turns]
        yield f"Not settled: {'; '.join(turned)}."


def _refuse(found: Recommendation, refusal: Refusal) -> Iterator[str]:
    fails = join_words([f"the {name}" for name in refusal.fails])
    said = f"What fails: {fails}"
    if refusal.together:
        said = f"{fails[0].upper()}{fails[1:]} fail only together: each can be kept without the other"
    yield f"For {describe_demand(found)}: no answer. {said}. {refusal.reason[:1].upper()}{refusal.reason[1:]}."
    for nearest in refusal.nearest:
        yield f"Works {describe_nearest(found.demand, nearest)}."


def describe_nearest(asked: Demand, nearest: Nearest) -> str:
    """Return what to type for a demand that works instead of the one asked, and its first choice."""
    instead = nearest.demand
    typed = " ".join(type_options(instead, [_FIELDS[name] for name in nearest.changed]))
    without = "without --budget" if asked.budget_usd_per_h and instead.budget_usd_per_h is None else ""
    how = " and ".join(filter(None, (f"with {typed}" if typed else "", without)))
    return f"{how}: {describe_choice(instead, nearest.choice)}"


def describe_changes(found: Recommendation, changes: Changes) -> Iterator[str]:
    """Yield what would change the first choice, a sentence for each kind of change."""
    first, asked = found.choices[0], found.demand
    prices = []
    for one in changes.prices:
        now = "no price is known" if one.usd_per_h is None else f"now {_usd(one.usd_per_h)}"
        prices.append(f"{one.device} {one.side} {_usd(one.limit_usd_per_h)} ({now}) makes {one.backend} first")
    if prices:
        yield f"Prices, USD for a card or chip and hour: {'; '.join(prices)}."
    yield _say_streams(first, changes)
    yield _say_sooner(asked, first, changes)
    yield _say_looser(asked, first, changes)


def _say_streams(first: Choice, changes: Changes) -> str:
    streams = changes.streams
    ends = [f"with {streams.least - 1:,} {streams.below} is" if streams.below else "",
            f"with {streams.most + 1:,} {streams.above} is" if streams.above else ""]  # fmt: skip
    beyond = f"; {', '.join(filter(None, ends))}" if any(ends) else ""
    further = (
        "" if (streams.above and streams.below) or (streams.least == 1 and streams.above) else ", as far as was looked"
    )
    return f"Streams: {first.backend} is first from {streams.least:,} to {streams.most:,}{further}{beyond}."


def _say_sooner(asked: Demand, first: Choice, changes: Changes) -> str:
    kept = f"Latency: as it is, it keeps {changes.kept_s:.2f} s"
    half = f"at {asked.latency_s / 2:g} s asked for"
    choice = changes.sooner.choice
    if choice is None:
        return f"{kept}; {half}, nothing is found."
    if (choice.backend, choice.servers) != (first.backend, first.servers):
        return f"{kept}; {half}, {describe_choice(asked, choice, brief=True)} is first."
    if describe_cut(choice) == describe_cut(first):
        return f"{kept}; {half}, it stays as it is."
    return f"{kept}; {half}, the same servers stay, with {describe_cut(choice)} (WER {percent(choice.wer)})."


def _say_looser(asked: Demand, first: Choice, changes: Changes) -> str:
    within = counted(100 * changes.looser.demand.wer_within, "point")
    choice = changes.looser.choice
    if choice is None:
        less = "costs less" if asked.measure == "usd" else "takes less energy"
        return f"Errors: nothing {less} up to {within} above the best."
    less = _less(asked, first, choice)
    return f"Errors: up to {within} above the best, {describe_choice(asked, choice, brief=True)} is first{less}."


def _less(asked: Demand, first: Choice, other: Choice) -> str:
    pairs = {"usd": (first.usd_per_h, other.usd_per_h), "joules": (first.joules_per_audio_h, other.joules_per_audio_h)}
    before, after = pairs[asked.measure]
    unit = "cost" if asked.measure == "usd" else "energy"
    return f", {1 - after / before:.0%} less {unit}" if before and after is not None else ""


def _describe_footing(found: Recommendation) -> Iterator[str]:
    """What was measured, what is simulated, what was left out, what the runtimes are, and the prices."""
    yield (
        f"Word error rates are {found.model}'s on {found.data}, measured in just these windows and steps; times are "
        f"{found.demand.model}'s, simulated, and every choice was confirmed by simulating its servers call by call."
    )
    choices = found.choices or tuple(one.choice for one in (found.refusal.nearest if found.refusal else ()))
    runtimes = [RUNTIMES[name] for name in dict.fromkeys(one.runtime for one in choices) if name in RUNTIMES]
    if runtimes:
        yield f"Runtimes: {'; '.join(f'{one.name}, {one.about}' for one in runtimes)}."
    prices = {part.device: part.price for one in choices for part in one.bill.parts if part.price is not None}
    if prices:
        said = ", ".join(f"{name} {_say(price)}" for name, price in prices.items())
        yield f"Prices, USD for a card or chip and hour: {said}."
    if found.unpriced:
        known = f"--price {found.unpriced[0]}=USD names one"
        yield f"Not ranked, since nobody named a price: {join_words(found.unpriced)}; {known}."
    if found.unheard:
        yield f"Not searched, since nobody has heard {found.data} so: {join_words(found.unheard)}."


def _say(price: Price) -> str:
    ranged = f" ({price.low:g} to {price.high:g})" if price.low < price.high else ""
    return f"{_usd(price.usd_per_h)}{ranged}"


def _usd(value: float) -> str:
    """Dollars with four significant digits, or all before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def describe_cut(choice: Choice) -> str:
    """Return how audio is cut, in words."""
    step = f", a call every {choice.step_s:g} s" if cutting_of(choice.strategy).stepping else ""
    return f"{choice.strategy} windows of {choice.window_s:g} s{step}"


def describe_choice(asked: Demand, choice: Choice, *, brief: bool = False) -> str:
    """Return a choice in words."""
    cost = "" if choice.usd_per_h is None else f"; {choice.usd_per_h:,.2f} USD an hour"
    head = f"{name_choice(choice)}, {describe_cut(choice)}"
    if brief:
        return f"{head} (WER {percent(choice.wer)}{cost})"
    return (
        f"{head}; WER {percent(choice.wer)} {interval(choice.wer_ci95)}, {stream_count(choice.streams_given)} a server "
        f"of at most {choice.streams_per_server:,}, words within {choice.latency_s:.2f} s ({_share(asked)}){cost}"
    )


def name_choice(choice: Choice) -> str:
    """Return how many servers of which backend."""
    return f"{choice.servers:,} x {choice.backend}"


def _share(asked: Demand) -> str:
    return f"{100 * asked.quantile:g} %"
