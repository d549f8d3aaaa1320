"""Results in words and as a table on the terminal."""

from pathlib import Path
from typing import Any

from ..backends.gpu.runtimes import NOTE
from .tables import show_table

_FEW_WORDS = 20  # below, a rate says nothing
_PASSES_WORTH_SAYING = 1.05


def print_results(results: dict[str, Any], folder: Path) -> None:
    """The table, the curves and the closing paragraph on standard output."""
    settings = results["settings"]
    title = (
        f"{settings['strategy']} windows, a call every {settings['step_s']:g} s, "
        f"{settings['streams']} streams a device; "
        f"text and WER measured with {results['model']} on {results['row_dataset']['name']}, "
        f"times simulated for {results['timed_as']}"
    )
    columns = (
        "backend",
        "span>",
        "limited by",
        "ceiling>",
        "service>",
        "speed>",
        "WER",
        "word latency p50/p95>",
        "times are",
    )
    show_table(title, columns, [_cells(row) for row in results["rows"]])
    footings = [[row["backend"], line] for row in results["rows"] for line in row["footing"]]
    show_table("What the rows stand on", ("backend", "devices, weights, memory, price, power"), footings)
    for curve in results["curves"]:
        step = f", a call every {curve['step_s']:g} s" if curve["step_s"] else ""
        points = [
            [f"{p['window_s']:g} s", percent(p["wer"]), interval(p["wer_ci95"]), str(p["ref_words"])]
            for p in curve["points"]
        ]
        show_table(
            f"WER against window, {curve['strategy']}{step}, {curve['recordings']} recordings",
            ("window>", "WER>", "95 % interval", "words>"),
            points,
        )
    print_closing(results, folder)


def print_closing(results: dict[str, Any], folder: Path) -> None:
    """What every run ends with: warnings, failures, the sentences, and where the files are."""
    for warning in results["warnings"]:
        print(f"warning: {warning}")
    for failure in results["failed"]:
        print(f"failed: {failure['recording']}: {failure['reason']}")
    print()
    for sentence in results["summary"]:
        print(sentence)
    print(
        f"\nreport: {folder / 'report.html'}   numbers: {folder / 'results.json'}   raw calls: {folder / 'calls.jsonl'}"
    )


def _cells(row: dict[str, Any]) -> list[str]:
    if row["service_s"] is None:
        return [row["backend"], "none", row["limited_by"], "", "", "", "", "", row["provenance"] or ""]
    heard = row["wer"] is not None
    return [
        row["backend"],
        "none" if row["span_s"] is None else f"{row['span_s']:g} s",
        row["limited_by"],
        f"{row['ceiling_s']:.3f} s",
        f"{row['service_s']:.3f} s",
        f"{row['speed_factor']:.0f} x",
        f"{percent(row['wer'])} {interval(row['wer_ci95'])}" if heard else "",
        f"{row['latency_p50_s']:.1f} / {row['latency_p95_s']:.1f} s" if row["latency_p50_s"] is not None else "",
        row["provenance"],
    ]


def percent(rate: float | None) -> str:
    """A rate as `9.1 %`, or `-` where there is none."""
    return "-" if rate is None else f"{100 * rate:.1f} %"


def interval(ends: list[float] | tuple[float, float] | None) -> str:
    """An interval of rates as `[8.0, 10.2]`, in percent."""
    return "" if ends is None else f"[{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"


def paired(found: dict[str, Any]) -> str:
    """A difference of the same recordings as `-1.2 points [-2.0, -0.4] paired`."""
    return f"{100 * found['difference']:+.1f} points {interval(found['ci95'])} paired"


def summarise(results: dict[str, Any]) -> list[str]:
    """The closing paragraph, sentence by sentence, as it follows from the numbers."""
    settings = results["settings"]
    streams = settings["streams"]
    opening = f"At {streams} stream{'s' if streams > 1 else ''} per device, a call every {settings['step_s']:g} s: "
    sentences = [opening + "; ".join(_group_phrases(results["rows"])) + "."]
    sentences += _gain(results["gains"], results["rows"])
    sentences += _curve_sentence(results["curves"])
    sentences += _cut_sentences(results["curves"])
    sentences += _pass_sentence(results["rows"])
    if results.get("word_times"):
        sentences.append(results["word_times"]["note"])
    sentences.append(
        f"Text and WER are measured: {results['model']} on {results['dataset']['name']}. "
        f"Times and spans are simulated: {results['timed_as']}, "
        f"{results['timed_padding']} padding, {results['timed_dtype']}, on device models. {NOTE}. "
        f"{_recogniser_caveat(results)}".strip()
    )
    return sentences


def _recogniser_caveat(results: dict[str, Any]) -> str:
    if results["model"] == results["timed_as"]:
        return ""
    return f"Another recogniser than the timed one was heard: the WER of {results['timed_as']} itself will differ."


def _group_phrases(rows: list[dict[str, Any]]) -> list[str]:
    """One phrase for the backends that share a span, shortest span first."""
    groups: dict[tuple[float, bool], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["span_s"] or 0.0, row["limited_by"] == "capacity"), []).append(row)
    phrases = []
    for (span_s, too_small), members in sorted(groups.items()):
        names = join_words([row["backend"] for row in members])
        if not span_s:
            phrases.append(f"{names} cannot {'hold the model' if too_small else 'keep up with any window'}")
            continue
        verb = "hears" if len(members) == 1 else "hear"
        limit = ", all that Whisper takes" if members[0]["limited_by"] == "nothing" else ""
        wer = members[0]["wer"]
        heard = "" if wer is None else f", {percent(wer)} WER {interval(members[0]['wer_ci95'])}".rstrip()
        phrases.append(f"{names} {verb} {span_s:g} s{limit}{heard}")
    return phrases


def _gain(gains: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[str]:
    """Whether longer spans meant fewer errors, where the differences of the same recordings allow to say so."""
    sentences = []
    for gain in gains:
        if gain["difference"] is None:
            continue
        before, after = map(percent, gain["wer"])
        change = (
            f"From {gain['from_s']:g} s to {gain['to_s']:g} s the WER goes from {before} to {after} ({paired(gain)})"
        )
        low, high = gain["ci95"]
        if high < 0:
            sentences.append(f"{change}: here faster hardware buys fewer errors.")
        elif low > 0:
            sentences.append(f"{change}: here the longer window costs errors.")
        else:
            sentences.append(f"{change}: on this sample faster hardware buys nothing certain.")
    tied = [row["backend"] for row in rows if row["limited_by"] == "nothing"]
    if len(tied) > 1:
        sentences.append(
            f"{join_words(tied).capitalize()} all reach 30 s: at this load the faster of them buy no accuracy, "
            "only room for more streams or more frequent calls."
        )
    return sentences


def _pass_sentence(rows: list[dict[str, Any]]) -> list[str]:
    """Where calls took more passes than the planner takes for one."""
    most = max((row for row in rows if row["encoder_passes"]), key=lambda row: row["encoder_passes"], default=None)
    if not most or most["encoder_passes"] < _PASSES_WORTH_SAYING:
        return []
    late = [row["backend"] for row in rows if (row["rtf"] or 0) > 1]
    behind = f" With them {join_words(late)} fell behind." if late else ""
    return [
        f"Whisper went on inside its window or tried again: at {most['span_s']:g} s a call took "
        f"{most['encoder_passes']:.1f} passes of the encoder. Latencies count all; spans are planned with one.{behind}"
    ]


def _curve_sentence(curves: list[dict[str, Any]]) -> list[str]:
    sentences = []
    for curve in curves:
        points = curve["points"]
        if len(points) > 1 and points[0]["wer"] is not None and points[-1]["wer"] is not None:
            first, last = points[0], points[-1]
            change = f" ({paired(curve['last_less_first'])})" if curve["last_less_first"] else ""
            sentences.append(
                f"Heard in {curve['strategy']} windows, WER is {percent(first['wer'])} at {first['window_s']:g} s "
                f"and {percent(last['wer'])} at {last['window_s']:g} s{change}."
            )
    return sentences


def _cut_sentences(curves: list[dict[str, Any]]) -> list[str]:
    """Of each strategy, what cuts do at the window next to 5 s."""
    typical = [(c["strategy"], min(c["points"], key=lambda p: abs(p["window_s"] - 5))) for c in curves if c["points"]]
    found = [
        cut_sentence(f"In {strategy} windows of {point['window_s']:g} s", point["boundary_errors"])
        for strategy, point in typical
    ]
    return [sentence for sentence in found if sentence]


def cut_sentence(where: str, seams: dict[str, Any]) -> str | None:
    """How many of the words that a cut goes through are wrong, beside the others; None where too few are cut."""
    through, *others = seams["curve"] or [{"ref_words": 0}]
    words = sum(place["ref_words"] for place in others)
    if through["ref_words"] < _FEW_WORDS or not words:
        return None
    errors = sum(place["substitutions"] + place["deletions"] + place["insertions"] for place in others)
    return (
        f"{where} there are {100 * through['wer']:.0f} errors for 100 words that a cut goes through, "
        f"and {100 * errors / words:.0f} for 100 others."
    )


def join_words(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
