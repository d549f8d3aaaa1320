"""The commands of README.md and docs/ work as printed."""

import re
import shlex
from pathlib import Path

import pytest
from earspan.benchmarks.commands import cli

ROOT = Path(__file__).parent.parent
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
COMMANDS = list(
    dict.fromkeys(
        line
        for text in PAGES.values()
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.strip()
    )
)
NOT_RUN = ("minutes", "needs")  # what the comment behind a command says of it


def words_of(line):
    return shlex.split(line, comments=True)


def test_there_are_commands():
    assert len(COMMANDS) >= 8
    assert {words_of(line)[0] for line in COMMANDS} == {"earspan"}


@pytest.mark.parametrize("line", COMMANDS)
def test_options_exist(line):
    name, *options = words_of(line)[1:]
    assert vars(cli.parser_of(name).parse_args(options))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, small_folder, tiny_options):
    folder = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        quick = ("--windows", "2,7", "--live-windows", "2", "--backends", "h100", "--head", "5")
        assert cli.main(["bench", "--dataset", str(small_folder), *quick, *tiny_options]) == 0
        yield folder


@pytest.mark.parametrize("line", [line for line in COMMANDS if not any(mark in line for mark in NOT_RUN)])
def test_command_runs(line, workplace, capsys):
    assert cli.main(words_of(line)[1:]) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("page", "link"),
    [(page, link) for page, text in PAGES.items() for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text)],
)
def test_links_lead_somewhere(page, link):
    path, _, anchor = link.partition("#")
    assert (page.parent / path).exists()
    headings = re.findall(r"^#+ (.+)$", PAGES[page], re.MULTILINE) if not path else []
    assert not anchor or path or anchor in [heading.lower().replace(" ", "-") for heading in headings]
