"""Strategy against hardware, in sentences and as tables on the terminal."""

from ..report.terminal import show_table
from ..results.wording import interval, join_words, percent, points, seconds, stream_count
from .weigh import Gain, Rung, Weighing


def print_weighing(found: Weighing) -> None:
    """Print strategy against hardware, and what each buys."""
    backends = list(dict.fromkeys(rung.backend for rung in found.rungs))
    by_place = {(rung.strategy, rung.backend): rung for rung in found.rungs}
    for title, cell in _CELLS.items():
        rows = [[name, *(cell(by_place[name, backend]) for backend in backends)]
                for name in dict.fromkeys(rung.strategy for rung in found.rungs)]  # fmt: skip
        show_table(title, ("cut", *backends), rows)
        print()
    print("\n".join(conclude_weighing(found)))


def _say_errors(rung: Rung) -> str:
    return f"{percent(rung.heard.wer)} {interval(rung.heard.wer_ci95)}" if rung.heard else "none"


def _say_way(rung: Rung) -> str:
    return f"{rung.heard.window_s:g} s, {rung.heard.step_s:.3g} s" if rung.heard else "none"


_CELLS = {
    "Word error rate, measured": _say_errors,
    "In windows of, with a call every": _say_way,
    "Span, planned, with words in time": lambda rung: "none" if rung.span_s is None else f"{rung.span_s:g} s",
    "95 of 100 words within, simulated": lambda rung: seconds(rung.latency_p95_s),
}


def conclude_weighing(found: Weighing) -> list[str]:
    """Return what the table says: what a strategy buys on each backend, what hardware buys with each strategy."""
    asked = found.demand
    said = [
        f"One server of each, {stream_count(asked.streams)} of {asked.model}, {100 * asked.quantile:g} % of words "
        f"within {asked.latency_s:g} s; of the ways that were heard and are carried, the one with the fewest errors."
    ]
    said += [f"Strategy, on {gain.after.backend}: {_say_gain(gain, gain.before.strategy, gain.after.strategy)}."
             for gain in found.by_strategy]  # fmt: skip
    said += [f"Hardware, with {gain.after.strategy}: {_say_gain(gain, gain.before.backend, gain.after.backend)}."
             for gain in found.by_hardware]  # fmt: skip
    none = [rung for rung in found.rungs if rung.heard is None]
    for strategy in dict.fromkeys(rung.strategy for rung in none):
        said.append(f"Not carried with {strategy}: {join_words([r.backend for r in none if r.strategy == strategy])}.")
    if found.unheard:
        said.append(f"Nobody has heard {found.data} with {join_words(found.unheard)}.")
    return [*said, f"Errors are {found.model}'s on {found.data}, times are {asked.model}'s, simulated."]


def _say_gain(gain: Gain, before: str, after: str) -> str:
    """From what to what, in errors and latency, and whether the errors certainly differ."""
    one, two = gain.before, gain.after
    rates = percent(one.heard and one.heard.wer), percent(two.heard and two.heard.wer)
    late = f"95 of 100 words within {seconds(one.latency_p95_s)} before and {seconds(two.latency_p95_s)} after"
    if one.heard == two.heard:
        return f"from {before} to {after} the words stay as they are, {rates[0]} wrong; {late}"
    if gain.difference is None:
        return f"from {before} to {after}, {rates[0]} become {rates[1]} wrong, not paired; {late}"
    low, high = gain.difference.interval
    verdict = "fewer errors" if high < 0 else "more errors" if low > 0 else "nothing certain in words"
    return f"from {before} to {after}, {rates[0]} become {rates[1]} wrong, {points(gain.difference)}: {verdict}; {late}"
