"""Results in sentences, as they follow from the numbers."""

from collections.abc import Sequence

from ...backends.gpu.runtimes import NOTE
from ...speech.metrics.boundary import BoundaryErrors
from ...speech.metrics.significance import Difference
from .comparison import REFERENCE
from .endpoints import EndpointUse
from .records import Candidate, Curve, Gain, Results, Row
from .units import pool
from .wording import (
    counted,
    error_count,
    interval,
    join_words,
    name_load,
    name_load_briefly,
    percent,
    points,
    seconds,
)

_FEW_WORDS = 20  # below, a rate says nothing
_PASSES_WORTH_SAYING = 1.05
_TYPICAL_S = 5.0  # the window at which what cuts do is told


def summarise(results: Results) -> list[str]:
    """Return the results in sentences: what was found, what it rests on, what is measured and what is simulated."""
    if results.comparison:
        sentences = [*_strategies(results), *_reference(results)]
    elif results.evaluation:
        sentences = _evaluation(results)
    else:
        sentences = [
            *_spans([row for row in results.played if not row.is_asked]),
            *_ties(results.played),
            *summarise_loads(results),
            *summarise_itself(results),
            *_curve_ends(results.curves),
            *_cuts(results.curves),
            *_passes(results.played),
        ]
    asked = [_endpoint(one) for one in results.endpoints if one.calls]
    return [*sentences, *asked, *([results.aligned.note] if results.aligned else []), *_origin(results)]


def summarise_loads(results: Results) -> list[str]:
    """Return what faster backends buy under all loads, as far as the numbers say, with the timed model."""
    own = [gain for gain in results.gains if gain.model in ("", results.provenance.timed_as)]
    return [*_gains(own, results.experiment.strategy), *_unheard(results.rows)]


def _spans(rows: Sequence[Row]) -> list[str]:
    """What backends sustain under a load."""
    if not rows:
        return []
    return [f"At {name_load(rows[0].load, rows[0].strategy, ' per device')}: {_list_spans(rows)}."]


def _list_spans(rows: Sequence[Row]) -> str:
    """One phrase for the backends that share a span, shortest span first."""
    groups: dict[tuple[float, bool], list[Row]] = {}
    for row in rows:
        too_small = row.plan is not None and row.plan.limited_by == "capacity"
        groups.setdefault((row.span_s or 0.0, too_small), []).append(row)
    phrases = []
    for (span_s, too_small), members in sorted(groups.items(), key=lambda group: group[0]):
        names = join_words([row.backend or "" for row in members])
        if not span_s:
            phrases.append(f"{names} cannot {'hold the model' if too_small else 'keep up with any window'}")
            continue
        verb = "sustains" if len(members) == 1 else "sustain"
        limit = ", all that Whisper takes" if _reaches_all(members[0]) else ""
        wer, window_s = members[0].wer, members[0].window_s
        rate = "" if wer is None else f", {percent(wer)} WER {interval(members[0].wer_ci95)}".rstrip()
        heard = "" if wer is None or window_s == span_s else f", heard at {window_s:g} s"
        phrases.append(f"{names} {verb} {span_s:g} s{limit}{heard}{rate}")
    return "; ".join(phrases)


def _reaches_all(row: Row) -> bool:
    return row.plan is not None and row.plan.limited_by == "nothing"


def _ties(rows: Sequence[Row]) -> list[str]:
    """Backends between which the load that was played makes no difference."""
    tied = [row.backend or "" for row in rows if _reaches_all(row)]
    if len(tied) < 2:
        return []
    return [
        f"{join_words(tied).capitalize()} all reach 30 s: at this load the faster of them buy no accuracy, "
        "only room for more streams or more frequent calls."
    ]


def _gains(gains: Sequence[Gain], strategy: str) -> list[str]:
    """Where longer spans meant fewer errors, where more, and from which window on nothing certain."""
    known = [(gain, gain.difference) for gain in gains if gain.difference is not None]
    fewer, more = (
        [_gain(gain, found, strategy) for gain, found in known if found.is_certain and (found.difference > 0) == more]
        for more in (False, True)
    )
    said = [f"Faster hardware buys fewer errors: {'; '.join(fewer)}."] if fewer else []
    said += [f"Faster hardware, which hears longer windows, makes more errors: {'; '.join(more)}."] if more else []
    rest = [(gain, found.difference) for gain, found in known if not found.is_certain]
    if not rest:
        return said
    ends: dict[float, list[str]] = {}
    for gain, _ in sorted(rest, key=lambda one: one[0].from_s):
        ends.setdefault(gain.from_s, []).append(name_load_briefly(gain.load, strategy))
    where = "; ".join(f"from {from_s:g} s on at {join_words(loads)}" for from_s, loads in ends.items())
    least, most = (100 * end(change for _, change in rest) for end in (min, max))
    change = f"{least:+.1f} to {most:+.1f}" if len(rest) > 1 else f"{least:+.1f}"
    return [
        *said,
        f"Faster hardware buys nothing certain on this sample {where} ({change} points, paired intervals around 0).",
    ]


def _gain(gain: Gain, difference: Difference, strategy: str) -> str:
    slower, faster = (f" on {join_words(names)}" for names in (gain.slower, gain.faster))
    before, after = map(percent, gain.wer)
    change = f"WER {before}, then {after}, {points(difference)}"
    load = name_load_briefly(gain.load, strategy)
    return f"at {load} from {gain.from_s:g} s{slower} to {gain.to_s:g} s{faster} ({change})"


def _unheard(rows: Sequence[Row]) -> list[str]:
    """The loads under which no backend keeps up, and those under which nothing was heard that one sustains."""
    loads: dict[str, list[Row]] = {}
    for row in rows:
        if row.plan and not row.is_asked:
            loads.setdefault(row.load, []).append(row)
    none = [
        name_load_briefly(load, own[0].strategy) for load, own in loads.items() if not any(row.span_s for row in own)
    ]
    unheard = [
        name_load_briefly(load, own[0].strategy)
        for load, own in loads.items()
        if any(row.span_s for row in own) and all(row.window_s is None for row in own)
    ]
    said = [f"Under {join_words(none)} no backend keeps up with any window."] if none else []
    return said + ([f"Under {join_words(unheard)} no window was heard that a backend sustains."] if unheard else [])


def summarise_itself(results: Results) -> list[str]:
    """Return the load under which backends differ most in words wrong, with the heard model timed as itself."""
    loads: dict[str, list[Row]] = {}
    for row in results.as_heard:
        loads.setdefault(row.load, []).append(row)

    def differ(load: str) -> tuple[float, float]:
        rates = [row.wer for row in loads[load] if row.wer is not None]
        spans = [row.span_s or 0.0 for row in loads[load]]
        return max(rates, default=0.0) - min(rates, default=0.0), max(spans) - min(spans)

    if not loads:
        return []
    model, most = results.provenance.model, max(loads, key=differ)
    opening = f"With {model} timed as itself, so that text and time are of one Whisper,"
    if differ(most) == (0, 0):
        return [f"{opening} backends differ at no load: {_list_spans(loads[most])}."]
    said = _gains(
        [gain for gain in results.gains if (gain.model, gain.load) == (model, most)], results.experiment.strategy
    )
    load = name_load_briefly(most, results.experiment.strategy)
    found = f"{opening} backends differ most at {load}: {_list_spans(loads[most])}."
    return [" ".join([found, *said])]


def _curve_ends(curves: Sequence[Curve]) -> list[str]:
    sentences = []
    for curve in curves:
        first, last = curve.points[0], curve.points[-1]
        if len(curve.points) > 1 and first.wer is not None and last.wer is not None:
            change = f" ({points(curve.last_less_first)})" if curve.last_less_first else ""
            sentences.append(
                f"Heard in {curve.strategy} windows, WER is {percent(first.wer)} at {first.window_s:g} s "
                f"and {percent(last.wer)} at {last.window_s:g} s{change}."
            )
    return sentences


def _cuts(curves: Sequence[Curve]) -> list[str]:
    """Of each strategy, what cuts do at the window next to 5 s."""
    typical = [
        (curve.strategy, min(curve.points, key=lambda row: abs((row.window_s or 0) - _TYPICAL_S))) for curve in curves
    ]
    found = [_cut(f"In {strategy} windows of {row.window_s:g} s", row.boundary_errors) for strategy, row in typical]
    return [sentence for sentence in found if sentence]


def _cut(where: str, found: BoundaryErrors | None) -> str | None:
    """How many of the words that a cut goes through are wrong, beside the others; None where too few are cut."""
    if found is None or not found.places:
        return None
    through, *others = [place.errors for place in found.places]
    rest = pool(others)
    if through.ref_words < _FEW_WORDS or not rest.ref_words:
        return None
    return (
        f"{where} there are {100 * (through.rate or 0):.0f} errors for 100 words that a cut goes through, "
        f"and {100 * rest.errors / rest.ref_words:.0f} for 100 others."
    )


def _passes(rows: Sequence[Row]) -> list[str]:
    """Where calls took more passes than the planner takes for one."""
    heard = [(row.work.encoder_passes, row) for row in rows if row.work and row.work.encoder_passes]
    passes, row = max(heard, key=lambda item: item[0], default=(0.0, None))
    if row is None or passes < _PASSES_WORTH_SAYING:
        return []
    late = [row.backend or "" for row in rows if row.latency and (row.latency.rtf or 0) > 1]
    behind = f" With them {join_words(late)} fell behind." if late else ""
    return [
        f"Whisper went on inside its window or tried again: at {row.window_s:g} s a call took {passes:.1f} passes of "
        f"the encoder. Latencies count all; spans are planned with as many as windows so long took elsewhere.{behind}"
    ]


def _strategies(results: Results) -> list[str]:
    """For each backend the best strategy within each latency budget."""
    comparison, sentences = results.comparison, []
    for backend in comparison.fronts if comparison else ():
        mine = [c for c in comparison.within if c.backend == backend and c.strategy != REFERENCE]  # pyright: ignore
        answers: list[tuple[list[float], str]] = []  # budgets with the same answer, and the answer
        for budget_s in sorted({candidate.budget_s for candidate in mine}):
            answer = _best([candidate for candidate in mine if candidate.budget_s == budget_s])
            if answers and answers[-1][1] == answer:
                answers[-1][0].append(budget_s)
            else:
                answers.append(([budget_s], answer))
        said = "; ".join(f"{_range(budgets)}: {answer}" for budgets, answer in answers)
        opening = f"On {backend}, lowest WER with 95 % of the words within "
        keeps_none = f"{backend} keeps no budget with any strategy and window tried: it cannot keep up."
        sentences.append(f"{opening}{said}." if said else keeps_none)
    return sentences


def _range(budgets_s: Sequence[float]) -> str:
    return f"{budgets_s[0]:g} s" if len(budgets_s) == 1 else f"{budgets_s[0]:g} to {budgets_s[-1]:g} s"


def _best(candidates: Sequence[Candidate]) -> str:
    """The best candidate, and those that cannot be told from it."""
    first, *others = candidates
    alike = [c.strategy for c in others if not c.above_best or c.above_best.interval[0] <= 0]
    rest = f", {join_words(alike)} not clearly worse" if alike else ""
    return f"{first.strategy} at {first.window_s:g} s ({percent(first.wer)} {interval(first.wer_ci95)}{rest})"


def _reference(results: Results) -> list[str]:
    found = [row for curve in results.curves if curve.strategy == REFERENCE for row in curve.points]
    found += [row for row in results.rows if row.strategy == REFERENCE]
    heard = [row for row in found if row.wer is not None]
    if not heard:
        return []
    best = min(heard, key=lambda row: row.wer or 0)
    return [
        f"For comparison, Whisper itself hearing each recording at once: {percent(best.wer)} {interval(best.wer_ci95)}."
    ]


def _evaluation(results: Results) -> list[str]:
    found = results.evaluation
    if found is None:
        return []
    total, errors = found.total, found.total.errors
    sentences = [
        f"WER {percent(total.wer)} {interval(total.wer_ci95)} ({error_count(errors.errors, errors.ref_words)}: "
        f"{counted(errors.substitutions, 'substitution')}, "
        f"{counted(errors.deletions, 'deletion')}, {counted(errors.insertions, 'insertion')}), CER "
        f"{percent(total.cer)}, {results.provenance.model} on {results.data}, "
        f"{counted(total.recordings, 'recording')}.",
        f"Scored under {results.scoring}; the 95 % interval is a bootstrap over {results.units} {results.resampled}.",
    ]
    if found.silent_recordings:
        sentences.append(
            f"{found.silent_recordings} recordings have no reference word under these rules; "
            f"{found.silent_insertions} insertions there."
        )
    rows = results.heard
    for row in rows:
        if row.backend and row.latency and row.latency.p50_s is not None:
            sentences.append(
                f"On {row.backend} words are shown {row.latency.p50_s:.1f} s after they were spoken (median; "
                f"95 %: {row.latency.p95_s:.1f} s, 99 %: {row.latency.p99_s:.1f} s)."
            )
            if row.latency.ttfs_p50_s is not None:
                sentences.append(
                    f"The last word before a pause is final {row.latency.ttfs_p50_s:.1f} s after it (TTFS, median; "
                    f"95 %: {row.latency.ttfs_p95_s:.1f} s, 99 %: {row.latency.ttfs_p99_s:.1f} s; "
                    f"{row.latency.ttfs_stretches} stretches of speech)."
                )
    sentences += [_streaming(row, results.batch) for row in rows if row.less_batch]
    cuts = [_cut("Here", row.boundary_errors) for row in rows]
    return [*sentences, *(cut for cut in cuts if cut)]


def _streaming(row: Row, batch: str) -> str:
    """What streaming costs beside hearing all at once."""
    found = row.less_batch
    if found is None:
        return ""
    verdict = "certain" if found.is_certain else "not certain"
    return f"Streaming less batch ({batch}): {points(found)}, {verdict}."


def _endpoint(found: EndpointUse) -> str:
    """How an endpoint answered."""
    failed = join_words([f"{times} {kind}" for kind, times in found.failures.items()]) if found.failures else "none"
    before = found.calls - found.asked_now
    kept = f"; {before} of the answers had been kept" if before else ""
    return (
        f"Measured: {found.calls} calls of {found.model} at {found.place}, {found.concurrency} at a time, took "
        f"{seconds(found.p50_s)} (median; 95 %: {seconds(found.p95_s)}, 99 %: {seconds(found.p99_s)}), the first "
        f"{seconds(found.first_s)}; requests that failed: {failed}{kept}."
    )


def _origin(results: Results) -> list[str]:
    """What is measured, and what is simulated."""
    if found := results.imported:
        return [
            f"Text and times are those of {found.file} ({found.format}, sha256 {found.sha256[:12]}), as it has them."
        ]
    model, timed_as = results.provenance.model, results.provenance.timed_as
    said = f"Text and WER are measured: {model} on {results.data}."
    if not results.simulated:
        return [] if results.evaluation else [said]
    how = f"{timed_as}, {results.experiment.padding} padding, {results.provenance.timed_dtype}, on device models"
    if results.evaluation:
        return [
            f"Times are simulated: {how}; {row.backend}, "
            + (f"heard in windows of {row.window_s:g} s, " if row.window_s is not None else "")
            + (f"span {row.span_s:g} s." if row.span_s is not None else "which sustains no window.")
            for row in results.rows
        ]
    if results.comparison:
        said += " The best windows were chosen on the data that they are scored on."
    caveat = f" Another recogniser than the timed one was heard: the WER of {timed_as} itself will differ."
    others = [f"{one.backend}: text and times are its own" for one in results.endpoints]
    own = f" Of {'; of '.join(others)}." if others else ""
    return [f"{said} Times and spans are simulated: {how}. {NOTE}.{'' if model == timed_as else caveat}{own}"]
