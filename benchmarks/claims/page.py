"""Findings as a table, in full on the terminal, and as a page in Markdown."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ..report.tables.figures import write_markdown
from ..report.tables.table import Table
from ..results.wording import figures, join_words, neutralise
from .records import Case, Figure, Finding

_COLUMNS = ("#>", "claim", "verdict", "conditions", "it holds", "repeat it")
_SHOWN = 2  # conditions that are named in the table of all claims
_SHORT = {True: "yes", False: "no", None: "not settled"}
_HEAD = """\
# The claims of the interview

This project starts from an interview with Jonathan Ross of Groq (wallstreetcn, 12 June 2026). Here are sixteen of its
claims, in our own words, each held against the device models and the measured [curve](curve.md). **No verdict is
written by hand**: each claim is asked as a question under several conditions, and the verdict follows from the answers.

- *holds*, *does not*: so under every condition, and however the models are off.
- *holds where*: under some conditions, which are named; where not, and what is open, stands beside it.
- *not settled*: an answer turns when GPU times are off by 15 % (30 % with borrowed kernels), LPU times by 25 % or by
  the factor between this model and GroqCloud, when labelled assumptions or prices are taken at the ends of their
  ranges; or a measured interval is too wide to say.
- *not testable here*: nothing that is simulated or measured bears on the claim itself.

Times are simulated (large-v3 unless another is named), word errors are measured (tiny.en and base). Written by the
second of these commands:

```sh
earspan claims 2                          # seconds: one claim with its figures
earspan claims --out docs/claims.md       # minutes: all sixteen, and this page
```
"""


def list_findings(found: Sequence[Finding]) -> Table:
    """Return a row for each claim: verdict, under how many conditions it holds, and how to repeat it."""
    rows = [
        (str(one.number), one.claim, one.verdict, count_answers(one), name_where(one), one.commands[0]) for one in found
    ]
    return Table("The claims of the interview", _COLUMNS, rows)


def name_where(found: Finding) -> str:
    """Return the first of the conditions under which the claim holds, and how many more there are."""
    where = found.list_where(True)
    more = f"; and {len(where) - _SHOWN} more" if len(where) > _SHOWN else ""
    return "; ".join(where[:_SHOWN]) + more or "-"


def count_answers(found: Finding) -> str:
    """Return under how many conditions the claim holds, does not, and is not settled, as `2 yes, 1 no`."""
    counts = Counter(case.holds if case.settled else None for case in found.cases)
    return ", ".join(f"{counts[answer]} {name}" for answer, name in _SHORT.items() if counts[answer])


def list_cases(found: Finding) -> Table:
    """Return a row for each condition: the answer, its figures, and what turns it."""
    rows = [(case.where, answer_of(case), describe_figures(case.figures), describe_doubt(case), case.basis)
            for case in found.cases]  # fmt: skip
    columns = ("under which condition", "holds", "figures", "turned by", "figures are")
    return Table(f"{found.number}. {found.claim}", columns, rows, found.test)


def answer_of(case: Case) -> str:
    """Return the answer; one that is not settled is given with the models as they are."""
    if case.holds is None:
        return _SHORT[None]
    return _SHORT[case.holds] if case.settled else f"{_SHORT[case.holds]}, not settled"


def describe_doubt(case: Case) -> str:
    """Return what turns the answer."""
    return "an interval too wide to say" if case.holds is None else "; ".join(case.turned_by)


def describe_figures(found: Iterable[Figure]) -> str:
    """Return figures in words."""
    return "; ".join(map(describe_figure, found))


def describe_figure(one: Figure) -> str:
    """Return a figure with its unit and interval."""
    if one.value is None:
        return f"{one.name}: none"
    signed = f"{one.value:+.1f}" if one.unit == "points" else figures(one.value)
    ends = f" [{one.ci95[0]:.1f}, {one.ci95[1]:.1f}]" if one.ci95 else ""
    return f"{one.name}: {signed}{ends}{' ' if one.unit else ''}{one.unit}"


def summarise(found: Finding) -> list[str]:
    """Return the verdict in sentences: where the claim holds, where not, what is open, and what was left out."""
    wheres = {answer: found.list_where(answer) for answer in (True, False, None)}
    told = [f"Verdict: {found.verdict}."]
    titles = {True: "It holds", False: "It does not hold", None: "It is not settled"}
    told += [f"{title}: {'; '.join(wheres[answer])}." for answer, title in titles.items() if wheres[answer]]
    if found.untested:
        told.append(f"Not tested: {found.untested}.")
    return told


def print_findings(found: Sequence[Finding], show: Callable[[Table], None]) -> None:
    """Print one finding in full, or a table of several. show: prints a table."""
    if len(found) > 1:
        show(list_findings(found))
        print("\nThe figures of one, and what turns its verdict: earspan claims NUMBER")
        return
    for one in found:
        table = list_cases(one)
        show(table)
        print()
        sentences = [table.about, *summarise(one), f"Assumed: {'; '.join(one.assumptions)}."]
        print("\n".join(map(neutralise, sentences)))
        print("\nRepeat it:\n" + "\n".join(f"  {command}" for command in one.commands))


def write_page(found: Sequence[Finding]) -> str:
    """Return the page in Markdown: all claims in a table, then each with its cases."""
    table = list_findings(found)
    rows = [
        (f"[{number}](#claim-{number})", claim, f"**{verdict}**", *rest, f"`{command}`")
        for number, claim, verdict, *rest, command in table.rows
    ]
    counts = Counter(one.verdict for one in found)
    said = join_words([f"{verdict} {count}" for verdict, count in counts.most_common()])
    overview = write_markdown(table.columns, rows)
    return "\n".join([_HEAD, f"Verdicts on {len(found)} claims: {said}.\n", overview, *map(_section, found)]) + "\n"


def _section(found: Finding) -> str:
    cases = list_cases(found)
    further = "; ".join(f"`{command}`" for command in found.commands)
    lines = [
        f"\n## Claim {found.number}\n\n*{found.claim}*\n",
        f"**{found.verdict[0].upper()}{found.verdict[1:]}** ({count_answers(found)}). {found.test}\n",
        write_markdown(cases.columns, cases.rows),
        f"\nAssumed: {'; '.join(found.assumptions)}.",
    ]
    if found.untested:
        lines.append(f"Not tested: {found.untested}.")
    return "\n".join([*lines, f"Repeat it: {further}"])
