"""README and docs: what they print as Python runs, parts that they offer are found, and every record is described.

Weights are small and random, and nothing is fetched. A block that begins with `# FILE.py` or `# FILE.toml`
is saved under that name.
"""

import re
import tomllib
from pathlib import Path

import pytest
from earspan.benchmarks.report.schema import describe_schema
from earspan.speech.asr import engines

ROOT = Path(__file__).parents[1]
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if "```python" in page.read_text(encoding="utf-8")
]


def blocks(page: Path, language: str) -> list[str]:
    """Return the contents of the blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def offer(folder: Path, pyproject: str) -> None:
    """Make the entry points of a page those of a package that is installed in `folder`."""
    info = folder / "page-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: page\nVersion: 1.0\n")
    groups = tomllib.loads(pyproject)["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in own.items()) for group, own in groups.items()
    ]
    with (info / "entry_points.txt").open("a") as file:
        file.writelines(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_as_printed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Random weights repeat themselves, and would be tried at every temperature.
    monkeypatch.setitem(engines.DECODINGS, "transcribe", engines.DECODINGS["greedy"])
    for pyproject in blocks(page, "toml"):
        if "entry-points" in pyproject:
            offer(tmp_path, pyproject)
    namespace: dict[str, object] = {"__name__": "page"}
    codes = blocks(page, "python")
    assert codes
    for code in [*codes, *blocks(page, "toml")]:
        if saved := re.match(r"# ([\w-]+\.(?:py|toml))\n", code):
            (tmp_path / saved[1]).write_text(code)
    for code in codes:
        random_weights = code.replace('"tiny.en"', repr(str(tiny_checkpoint)))
        exec(compile(random_weights, str(page), "exec"), namespace)


def test_there_is_a_page_for_every_part_of_ones_own():
    assert {page.stem for page in PAGES} >= {
        "README", "api", "adding-a-strategy", "adding-a-dataset", "adding-an-engine", "adding-a-device",
        "adding-a-backend",
    }  # fmt: skip


def test_every_record_that_is_stored_is_described():
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    made_by = "python -m earspan.benchmarks.report.schema > docs/results.md"
    assert page == describe_schema(), f"a record has changed: type {made_by}"
