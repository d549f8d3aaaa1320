"""The command line itself: help, configuration files, unknown words, a reader that goes away."""

import argparse
import subprocess
import sys

import pytest
from earspan.benchmarks.commands import cli


def test_overview_names_every_command(earspan):
    code, out, _ = earspan()
    assert code == 0
    assert all(f"  {name} " in out for name in cli.COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(earspan, command):
    code, out, err = earspan(command, "--help")
    assert code == 0
    assert f"usage: earspan {command}" in out
    assert err == ""
    # Whoever meets an option reads what it does.
    options = [one for one in cli.parser_of(command)._actions if not isinstance(one, argparse._SubParsersAction)]
    assert all(one.help for one in options)


def test_the_overview_does_not_wait_for_torch():
    script = "import sys\nfrom earspan.benchmarks.commands.cli import main\nmain([])\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  bench " in done.stdout


def test_a_curve_that_nobody_has_heard_is_named_with_what_to_type(earspan):
    expected = "earspan: runs/a/curve.json: no curve there yet; type earspan curve --out runs/a, which hears one\n"
    assert earspan("curve", "--print", "--out", "runs/a") == (2, "", expected)


def test_version(earspan):
    code, out, _ = earspan("--version")
    assert code == 0
    assert out.startswith("earspan 0.")


def test_unknown_command(earspan):
    assert earspan("bnech") == (2, "", "earspan: unknown command 'bnech'; did you mean 'bench'?\n")


def test_config_file_gives_options_and_typed_ones_win(earspan, tmp_path):
    (tmp_path / "mine.toml").write_text('model = "turbo"\nbackend = "l4"\naudio = 10\njson = true\n')
    code, out, _ = earspan("time", "--config", "mine.toml")
    assert code == 0
    assert '"backend": "l4"' in out
    assert '"model": "turbo"' in out
    _, out, _ = earspan("time", "--config", "mine.toml", "--backend", "h100")
    assert '"backend": "h100"' in out


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("bakend = 'l4'", "did you mean 'backend'"),
        ("backend = ", "not TOML"),
        ("audio = 'long'", "long"),
        ("[backend]\nname = 'l4'", "backend is a dict"),
    ],
)
def test_bad_config_is_one_line_and_exit_2(earspan, tmp_path, content, expected):
    (tmp_path / "mine.toml").write_text(content)
    code, out, err = earspan("time", "--config", "mine.toml")
    assert (code, out) == (2, "")
    assert expected in err
    assert len(err.strip().splitlines()) == 1


def test_a_bug_stays_a_traceback(monkeypatch):
    def broken(argv):
        raise ValueError("a bug")

    monkeypatch.setattr(cli, "_run", broken)
    with pytest.raises(ValueError, match="a bug"):
        cli.main([])


def test_interrupt_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    assert cli.main([]) == 130
    assert "run it again" in capsys.readouterr().err


def test_output_into_a_closed_pipe_is_no_traceback():
    command = f"{sys.executable} -m earspan.benchmarks.commands.cli devices | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
