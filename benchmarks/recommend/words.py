"""A recommendation in sentences and as a table on the terminal."""

from ..report.terminal import show_table
from ..results.wording import counted, figures, interval, join_words, percent, points, seconds, stream_count
from .records import Choice, Recommendation
from .weigh import Gain, Rung, Weighing

_COLUMNS = ("servers>", "backend", "cut", "window>", "step>", "WER>", "95 % interval", "latency 50 / 95 / 99 %>",
            "streams a server>", "USD/h>", "USD/audio h>", "kJ/audio h>", "left>", "times are")  # fmt: skip


def print_recommendation(found: Recommendation) -> None:
    """Print the choices, and the answer in sentences."""
    if found.choices:
        show_table("The best of each backend, best first", _COLUMNS, map(_cells, found.choices))
        print()
    print("\n".join(summarise(found)))


def _cells(choice: Choice) -> list[str]:
    latency = f"{choice.latency_p50_s:.2f} / {choice.latency_p95_s:.2f} / {choice.latency_p99_s:.2f} s"
    return [
        str(choice.servers),
        choice.backend,
        choice.strategy,
        f"{choice.window_s:g} s",
        f"{choice.step_s:g} s",
        percent(choice.wer),
        interval(choice.wer_ci95),
        latency,
        f"{choice.streams_given} of {choice.streams_per_server}",
        "-" if choice.usd_per_h is None else f"{choice.usd_per_h:,.2f}",
        "-" if choice.usd_per_audio_h is None else f"{choice.usd_per_audio_h:.4f}",
        "-" if choice.joules_per_audio_h is None else figures(choice.joules_per_audio_h / 1000),
        f"{choice.headroom:.0%}",
        choice.provenance,
    ]


def summarise(found: Recommendation) -> list[str]:
    """Return the answer in sentences: the first choice, the runner-up, whether it is settled, what it rests on."""
    asked = found.demand
    within = counted(100 * asked.wer_within, "point")
    wanted = (
        f"For {stream_count(asked.streams)} of {asked.model}, {100 * asked.quantile:g} % of words within "
        f"{asked.latency_s:g} s and a word error rate at most {within} above the best "
        f"({percent(found.best_wer)})"
    )
    if found.refusal is not None:
        sentences = [f"{wanted}: no answer. What fails is the {found.refusal.demand}: {found.refusal.reason}."]
        if found.refusal.nearest is not None:
            sentences.append(f"The nearest that works: {_describe(found.refusal.nearest)}.")
    else:
        first, *others = found.choices
        sentences = [f"{wanted}: {_describe(first)}."]
        if others:
            sentences.append(f"Runner-up: {_describe(others[0])}.")
        if found.settled:
            sentences.append("Settled: it stays the first when the models are off by as much as they may be.")
        for name, backend in found.turns.items():
            sentences.append(f"Not settled by the models' accuracy: with {name}, {backend} is first.")
    if found.unpriced:
        known = f"--price {found.unpriced[0]}=USD names one"
        sentences.append(f"Not ranked, since nobody named a price: {join_words(found.unpriced)}; {known}.")
    if found.unheard:
        sentences.append(f"Not searched, since nobody has heard {found.data} so: {join_words(found.unheard)}.")
    sentences.append(
        f"Word error rates are {found.model}'s on {found.data}, measured in just these windows and steps; times are "
        f"{asked.model}'s, simulated, and every choice was confirmed by simulating its servers call by call."
    )
    return sentences


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
    return f"{rung.heard.window_s:g} s, {rung.heard.step_s:g} s" if rung.heard else "none"


_CELLS = {
    "Word error rate, measured": _say_errors,
    "In windows of, with a call every": _say_way,
    "Span, planned (however late words are)": lambda rung: "none" if rung.span_s is None else f"{rung.span_s:g} s",
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


def _describe(choice: Choice) -> str:
    step = "" if choice.strategy == "disjoint" else f", a call every {choice.step_s:g} s"
    cost = "" if choice.usd_per_h is None else f"; {choice.usd_per_h:,.2f} USD an hour"
    return (
        f"{choice.servers} x {choice.backend}, {choice.strategy} windows of {choice.window_s:g} s{step}; WER "
        f"{percent(choice.wer)} {interval(choice.wer_ci95)}, {stream_count(choice.streams_given)} a server of at most "
        f"{choice.streams_per_server}, words within {choice.latency_p99_s:.2f} s (99 %){cost}"
    )
