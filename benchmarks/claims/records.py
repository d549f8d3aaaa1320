"""What was found about a claim: cases with figures, and the verdict that follows from them."""

from collections.abc import Iterable
from dataclasses import dataclass

HOLDS, HOLDS_WHERE, DOES_NOT = "holds", "holds where", "does not"
NOT_SETTLED, NOT_TESTABLE = "not settled", "not testable here"
VERDICTS = (HOLDS, HOLDS_WHERE, DOES_NOT, NOT_SETTLED, NOT_TESTABLE)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the evidence.

    name: what it is of.
    value: the figure, in `unit`; None where there is none, as of a device that cannot hold the work.
    unit: "s", "x", "%", "points", "USD" ..., or "" for a count.
    ci95: its 95 % interval, in `unit`, where it was measured.
    """

    name: str
    value: float | None
    unit: str = ""
    ci95: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """The claim under one condition.

    where: the condition, and what is asked, in words.
    holds: the answer; None where a measurement is too coarse to say.
    figures: what it follows from.
    turned_by: ways in which the models may be off that turn the answer; with any, it is not settled.
    basis: "measured", "simulated", "published" or "assumed": what the figures are.
    """

    where: str
    holds: bool | None
    figures: tuple[Figure, ...]
    turned_by: tuple[str, ...] = ()
    basis: str = "simulated"

    @property
    def settled(self) -> bool:
        """Whether the answer stands however the models are off."""
        return self.holds is not None and not self.turned_by


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one claim.

    number, claim: which, in our own words.
    test: how it was put to the test, in a sentence.
    verdict: one of `VERDICTS`.
    cases: the claim under each condition.
    assumptions: what the cases rest on beside the models.
    untested: what of the claim nothing here bears on; "" if nothing is left.
    commands: to repeat it; the first gives just this finding.
    """

    number: int
    claim: str
    test: str
    verdict: str
    cases: tuple[Case, ...]
    assumptions: tuple[str, ...]
    untested: str
    commands: tuple[str, ...]

    def list_where(self, answer: bool | None) -> list[str]:
        """Return the conditions under which the claim holds (True), does not (False), or is not settled (None)."""
        return [case.where for case in self.cases if answer == (case.holds if case.settled else None)]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the check of a claim returns: its cases, and the fields of `Finding` that come with them.

    out_of_reach: whether the claim's own subject cannot be tested, though some of its reasons can.
    """

    test: str
    cases: tuple[Case, ...]
    assumptions: tuple[str, ...] = ()
    untested: str = ""
    out_of_reach: bool = False


def conclude(cases: Iterable[Case]) -> str:
    """Return the verdict that follows from cases.

    Only settled cases count. If all cases are settled and agree, the claim holds or does not; if some hold, it holds
    where they do; if none of the settled ones holds and others are open, it is not settled. Without a case it is not
    testable.
    """
    cases = list(cases)
    if not cases:
        return NOT_TESTABLE
    answers = {case.holds if case.settled else None for case in cases}
    if answers == {True}:
        return HOLDS
    if answers == {False}:
        return DOES_NOT
    return HOLDS_WHERE if True in answers else NOT_SETTLED
