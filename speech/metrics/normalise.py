"""Normalisers: what is done to both texts before words are compared; no WER means anything without its normaliser.

`whisper`            openai-whisper's English normaliser, what most published Whisper figures use
`whisper+compounds`  the same, and spaces inside compounds are no errors: "wi fi" equals "wifi"
`none`               raw words, cased and punctuated
`FILE.toml`          own rules, see `rules_from`
"""

import hashlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...backends.errors import InputError, unknown
from ...backends.reading import parse_toml, read_text

_RULE_KEYS = ("base", "lowercase", "remove", "replace", "compounds")


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Rules for what counts as the same word.

    name: as `get_normaliser` takes it.
    apply: the rules, as a function of a text.
    describe: which rules they are, in which version.
    compounds: whether spaces inside words do not count.
    """

    name: str
    apply: Callable[[str], str]
    describe: str
    compounds: bool = False


def normaliser_names() -> tuple[str, ...]:
    """Return the normalisers that are known by name; a path ending in .toml is one, too."""
    return tuple(_BUILT_IN)


@cache
def get_normaliser(name: str) -> Normaliser:
    """Return the normaliser called `name`, or the rules in the file `name`. Raises `InputError` if there is none."""
    if name in _BUILT_IN:
        return _BUILT_IN[name]()
    if name.endswith(".toml"):
        return rules_from(Path(name))
    raise unknown("scoring normaliser", name, [*_BUILT_IN, "FILE.toml"])


def normaliser_version(name: str = "whisper") -> str:
    """Return what a result must name beside its error rate: the rules, their version and digest, and the aligner."""
    compounds = ", spaces inside compounds ignored" if get_normaliser(name).compounds else ""
    return f"{name} ({get_normaliser(name).describe}{compounds}), aligned by sclite's rules (4 S + 3 D + 3 I)"


# A text takes 1 ms; a reference is scored many times, and word for word where its words have times.
@lru_cache(maxsize=1 << 16)
def normalise(text: str, name: str = "whisper") -> str:
    """Return `text` under the rules of the normaliser `name`, its words separated by single spaces."""
    return " ".join(get_normaliser(name).apply(text).split())


def rules_from(path: Path) -> Normaliser:
    """Return the normaliser that a TOML file describes. All keys are optional; steps go in this order.

    base = "whisper" | "none"; remove = [regular expressions]; lowercase = true | false;
    [replace] regular expression = replacement; compounds = true | false. Raises `InputError` for anything else.
    """
    content = read_text(path, "scoring rules in TOML")
    rules = parse_toml(content, path)
    if wrong := set(rules) - set(_RULE_KEYS):
        raise InputError(f"scoring rules {path}: {unknown('key', min(wrong), _RULE_KEYS)}")
    base = rules.get("base", "none")
    if base not in ("whisper", "none"):
        raise InputError(f"scoring rules {path}: base is {base!r}; expected 'whisper' or 'none'")
    removed, replaced = rules.get("remove", []), rules.get("replace", {})
    flags = (rules.get("lowercase", False), rules.get("compounds", False))
    if not (isinstance(removed, list) and isinstance(replaced, dict) and all(isinstance(f, bool) for f in flags)):
        raise InputError(
            f"scoring rules {path}: expected remove = [patterns], [replace] pattern = 'text', "
            "lowercase and compounds = true or false"
        )
    first = [(_pattern(path, p), "") for p in removed]
    last = [(_pattern(path, p), _replacement(path, p, text)) for p, text in replaced.items()]
    begin = get_normaliser(base).apply

    def apply(text: str) -> str:
        text = begin(text)
        for pattern, replacement in first:
            text = pattern.sub(replacement, text)
        text = text.lower() if flags[0] else text
        for pattern, replacement in last:
            text = pattern.sub(replacement, text)
        return text

    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    describe = f"own rules, sha256 {digest}, on {get_normaliser(base).describe}"
    return Normaliser(str(path), apply, describe, compounds=flags[1])


def _pattern(path: Path, text: Any) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, TypeError) as error:
        raise InputError(f"scoring rules {path}: {text!r} is no regular expression: {error}") from error


def _replacement(path: Path, pattern: str, text: Any) -> str:
    try:
        re.compile(pattern).sub(text, "")
        re.compile(f"(?:{pattern})|").sub(text, "")
    except (re.error, TypeError, IndexError) as error:
        raise InputError(f"scoring rules {path}: {text!r} cannot replace {pattern!r}: {error}") from error
    return text


def _whisper() -> Normaliser:
    from whisper import normalizers  # imports torch, which takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves closing english.json to the collector
        apply = normalizers.EnglishTextNormalizer()
    folder, digest = Path(str(normalizers.__file__)).parent, hashlib.sha256()
    for name in ("basic.py", "english.py", "english.json"):
        digest.update((folder / name).read_bytes())
    describe = f"openai-whisper {version('openai-whisper')}, sha256 {digest.hexdigest()[:16]}"
    return Normaliser("whisper", apply, describe)


def _whisper_with_compounds() -> Normaliser:
    plain = get_normaliser("whisper")
    return Normaliser("whisper+compounds", plain.apply, plain.describe, compounds=True)


_BUILT_IN: dict[str, Callable[[], Normaliser]] = {
    "whisper": _whisper,
    "whisper+compounds": _whisper_with_compounds,
    "none": lambda: Normaliser("none", str, "raw words, cased and punctuated"),
}
