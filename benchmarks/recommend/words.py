"""A recommendation in sentences and as a table on the terminal."""

from ..report.terminal import show_table
from ..results.wording import figures, interval, join_words, percent, stream_count
from .records import Choice, Recommendation

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
    wanted = (
        f"For {stream_count(asked.streams)} of {asked.model}, {100 * asked.quantile:g} % of words within "
        f"{asked.latency_s:g} s and a word error rate at most {100 * asked.wer_within:g} points above the best "
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
    sentences.append(
        f"Word error rates are {found.model}'s on {found.data}, measured in just these windows and steps; times are "
        f"{asked.model}'s, simulated, and every choice was confirmed by simulating its servers call by call."
    )
    return sentences


def _describe(choice: Choice) -> str:
    step = "" if choice.strategy == "disjoint" else f", a call every {choice.step_s:g} s"
    cost = "" if choice.usd_per_h is None else f"; {choice.usd_per_h:,.2f} USD an hour"
    return (
        f"{choice.servers} x {choice.backend}, {choice.strategy} windows of {choice.window_s:g} s{step}; WER "
        f"{percent(choice.wer)} {interval(choice.wer_ci95)}, {stream_count(choice.streams_given)} a server of at most "
        f"{choice.streams_per_server}, words within {choice.latency_p99_s:.2f} s (99 %){cost}"
    )
