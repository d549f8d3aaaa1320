"""Planning is quick to start: heavy packages are imported where they are needed, and nothing else is imported late."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from earspan.backends.devices.files import FOLDER

BACKENDS = FOLDER.parent
HEAVY = {
    "msgspec": "a part of the start, only for measured times",
    "scipy.optimize": "0.5 s, only where a fleet is solved",
    "scipy.signal": "0.5 s, only where a server is sent audio at another rate",
    "importlib.metadata": "a tenth of the start, only for names of backends that are not ours",
}


def test_planning_imports_nothing_heavy():
    code = """
import sys, time
import earspan.backends.registry, earspan.backends.span
heavy = {"torch", "whisper", "openai", "scipy", "pandas", "importlib.metadata"}
print(*heavy & sys.modules.keys(), time.process_time() < 2)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


@pytest.mark.parametrize("path", sorted(BACKENDS.rglob("*.py")), ids=lambda path: str(path.relative_to(BACKENDS)))
def test_only_heavy_packages_are_imported_inside_of_functions(path: Path):
    functions = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)]
    late = [n for one in functions for n in ast.walk(one) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert {n.module if isinstance(n, ast.ImportFrom) else n.names[0].name for n in late} <= HEAVY.keys()
