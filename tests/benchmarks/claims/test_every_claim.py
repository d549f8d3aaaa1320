"""Every claim has a verdict, evidence and commands that can be typed; the command and the page show them."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from earspan.backends.workload.models import DIMENSIONS
from earspan.benchmarks.claims import check, demand, page, prices, queues
from earspan.benchmarks.claims.check import CLAIMS, find
from earspan.benchmarks.claims.records import VERDICTS, Finding
from earspan.benchmarks.commands import cli

from .planted import ground, points
from .test_claims_planted import ORDERLY

PAGE = Path(__file__).parents[3] / "docs" / "claims.md"


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prices, "list_points", lambda ground: points(ORDERLY))
        patch.setattr(demand, "_streams", lambda ground, variation: ((10, 1.0), (100, 2.0)))
        patch.setattr(queues, "OTHERS", ())
        patch.setattr(queues, "STREAMS", (16,))
        held = replace(ground(), dims=DIMENSIONS["small.en"])  # fewer of its calls fit on a chip: less to try
        return [find(number, claim, held) for number, claim in enumerate(CLAIMS, start=1)]


def test_every_claim_has_a_verdict_and_evidence(findings):
    assert [one.number for one in findings] == list(range(1, 17))
    for one in findings:
        assert one.verdict in VERDICTS
        assert one.cases
        for case in one.cases:
            assert case.figures
            assert case.where
        assert len({case.where for case in one.cases}) == len(one.cases)


def test_every_command_can_be_typed(findings):
    for one in findings:
        assert one.commands[0] == f"earspan claims {one.number}"
        for command in one.commands:
            program, name, *options = shlex.split(command)
            assert program == "earspan"
            assert vars(cli.parser_of(name).parse_args(options))


def test_the_page_has_every_claim_with_its_figures(findings):
    text = page.write_page(findings)
    headings = re.findall(r"^## Claim (\d+)$", text, re.MULTILINE)
    assert headings == [str(number) for number in range(1, 17)]
    for one in findings:
        assert all(f"`{command}`" in text for command in one.commands)
        assert all(case.where in text for case in one.cases)
    anchors = re.findall(r"\]\(#([^)]+)\)", text)
    slugs = [
        re.sub(r"[^\w\- ]", "", line[3:].lower()).replace(" ", "-") for line in text.splitlines() if line[:3] == "## "
    ]
    assert anchors == slugs


def test_the_page_in_docs_is_of_these_claims():
    text = PAGE.read_text(encoding="utf-8")
    for number, claim in enumerate(CLAIMS, start=1):
        section = text.partition(f"\n## Claim {number}\n\n*{claim.words}*\n")[2]
        assert section, f"claim {number} has changed: type earspan claims --out docs/claims.md"
        assert any(section.lower().startswith(f"\n**{verdict}") for verdict in VERDICTS)


def test_the_command_prints_one_or_many(findings, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path):
    monkeypatch.setattr(check, "find", lambda number, claim, held: findings[number - 1])
    assert cli.main(["claims", "3"]) == 0
    out = capsys.readouterr().out
    assert f"Verdict: {findings[2].verdict}" in out
    assert findings[2].cases[0].where in out
    assert cli.main(["claims", "2", "5", "--json"]) == 0
    assert [one["number"] for one in json.loads(capsys.readouterr().out)] == [2, 5]
    assert cli.main(["claims", "--out", str(tmp_path / "claims.md")]) == 0
    out = capsys.readouterr().out
    assert all(f"earspan claims {number}" in out for number in range(1, 17))
    assert (tmp_path / "claims.md").read_text() == page.write_page(findings)


@pytest.mark.parametrize("argv", [["17"], ["0"], ["five"], ["5", "--out", "x.md"], ["--out", "."]])
def test_what_cannot_be_asked_is_one_line(argv, capsys):
    assert cli.main(["claims", *argv]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
