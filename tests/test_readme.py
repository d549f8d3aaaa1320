"""The commands of README.md work as printed."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
from earspan.benchmarks import cli

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line.strip()
]
NOT_RUN = ("minutes", "needs weights")  # what the comment behind a command says of it


def words_of(line):
    return shlex.split(line, comments=True)


def test_there_are_commands():
    assert len(COMMANDS) >= 8
    assert {words_of(line)[0] for line in COMMANDS} == {"earspan"}


@pytest.mark.parametrize("line", COMMANDS)
def test_options_exist(line):
    name, *options = words_of(line)[1:]
    command = importlib.import_module(f"earspan.benchmarks.{name}")
    parser = cli.Parser(prog=name, allow_abbrev=False)
    command.add_arguments(parser)
    assert vars(parser.parse_args(options))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, small_folder, tiny_options):
    folder = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        quick = ("--windows", "2,7", "--live-windows", "2", "--backends", "h100", "--live-audio", "5")
        assert cli.main(["bench", "--dataset", str(small_folder), *quick, *tiny_options]) == 0
        yield folder


@pytest.mark.parametrize("line", [line for line in COMMANDS if not any(mark in line for mark in NOT_RUN)])
def test_command_runs(line, workplace, capsys):
    assert cli.main(words_of(line)[1:]) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)\s]+)\)", README))
def test_links_lead_somewhere(path):
    assert (Path(__file__).parent.parent / path).exists()
