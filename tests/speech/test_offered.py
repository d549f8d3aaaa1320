"""What packages of users offer as entry points: strategies, formats, engines, and what is said of broken ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.datasets import open_dataset
from earspan.datasets.formats import format_names
from earspan.speech.asr.engines import engine_names, make_engine
from earspan.speech.strategies import make_strategy, step_of, strategy_names

CODE = """
from earspan.datasets.formats import Format
from earspan.datasets.formats.entries import EntryList
from earspan.speech.asr.torch_engine import Engine
from earspan.speech.strategies import Disjoint


class Half(Disjoint):
    @classmethod
    def of(cls, window_s, step_s):
        return cls(window_s / 2)


class Mine(Engine):
    pass


def open_one(path, name, defects):
    entries = EntryList(path.parent, name or str(path), defects)
    entries.add("only", "a.wav", path.read_text(), str(path))
    return entries.dataset_of(path, "one text")


one = Format("x.one", lambda path: path.suffix == ".one", open_one)
"""

Offer = Callable[[str], None]


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Installs a package that offers what its entry_points.txt says."""

    def install(entry_points: str) -> None:
        module = f"planted_{tmp_path.name.replace('-', '_')}"  # each test imports its own
        (tmp_path / f"{module}.py").write_text(CODE)
        info = tmp_path / "planted-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points.replace("MODULE", module))
        monkeypatch.syspath_prepend(tmp_path)

    return install


def test_what_a_package_offers_is_found_by_name(offer: Offer, tmp_path: Path, tiny_recogniser):
    offer(
        "[earspan.strategies]\nhalf = MODULE:Half\n"
        "[earspan.engines]\nmine = MODULE:Mine\n"
        "[earspan.formats]\none = MODULE:one\n"
    )
    assert make_strategy("half", 4.0, None).window_s == 2.0  # type: ignore[attr-defined]
    assert strategy_names()["half"].endswith(":Half")
    assert step_of("half", 1.0) == 1.0
    assert "mine" in engine_names()
    assert type(make_engine("mine", tiny_recogniser())).__name__ == "Mine"
    assert format_names()[0] == "one"
    soundfile.write(tmp_path / "a.wav", np.full(16_000, 0.1), 16_000)
    (tmp_path / "x.one").write_text("good morning")
    [entry] = open_dataset(tmp_path / "x.one")
    assert (entry.text, entry.duration_s) == ("good morning", 1.0)
    assert open_dataset(f"one:{tmp_path / 'x.one'}").digest() == open_dataset(tmp_path / "x.one").digest()


def test_a_broken_offer_is_one_clear_error_and_hinders_nothing_else(offer: Offer, tmp_path: Path, tiny_recogniser):
    offer(
        "[earspan.strategies]\nhalf = MODULE:Halve\nsliding = MODULE:Half\n"
        "[earspan.engines]\nmine = gone_module:Mine\nhalf = MODULE:Half\n"
        "[earspan.formats]\none = MODULE:Half\n"
    )
    with pytest.raises(InputError, match=r"strategy 'half', which a package offers as \w+:Halve, cannot be imported"):
        make_strategy("half", 4.0, None)
    assert type(make_strategy("sliding", 4.0, 1.0)).__name__ == "Sliding"  # our own names stay ours
    assert "half" in strategy_names()
    with pytest.raises(InputError, match=r"engine 'mine'.*No module named 'gone_module'"):
        make_engine("mine", tiny_recogniser())
    with pytest.raises(InputError, match=r"engine 'half' is .*; expected a subclass of earspan's Transcriber"):
        make_engine("half", tiny_recogniser())
    with pytest.raises(InputError, match="unknown engine 'mines'; did you mean 'mine'"):
        make_engine("mines", tiny_recogniser())
    with pytest.raises(InputError, match=r"dataset format 'one' is a .*adding-a-dataset"):
        open_dataset(tmp_path)
    assert len(open_dataset("talks-clean"))
