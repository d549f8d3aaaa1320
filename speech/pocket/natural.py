"""Natural English for the training text of `pocket`: the examples and definitions of WordNet 3.

    python -m earspan.speech.pocket.natural      # writes vocabulary.txt and homophones.txt beside this file again

Debian's package `wordnet-base` holds WordNet (Princeton, a permissive licence). Its text is read while training, not kept in this
project: what is committed is the list of words that occur often enough to be learnt, and which of them sound alike.
"""

import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ...backends.errors import InputError

WORDNET = Path("/usr/share/wordnet")
HERE = Path(__file__).parent
OFTEN_IN_EXAMPLES, OFTEN_AT_ALL = 5, 8  # a word is learnt from so many examples, and examples and definitions
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
_PLAIN = re.compile(r"[A-Za-z',;?!. ]+")


@cache
def vocabulary() -> frozenset[str]:
    """The words of natural text that `pocket` is taught, lower case."""
    return frozenset((HERE / "vocabulary.txt").read_text(encoding="utf-8").split())


@cache
def homophone_groups() -> tuple[frozenset[str], ...]:
    """Words of the lexicon and the vocabulary that eSpeak NG speaks alike in American English."""
    lines = (HERE / "homophones.txt").read_text(encoding="utf-8").splitlines()
    return tuple(frozenset(line.split()) for line in lines if not line.startswith("#"))


@cache
def natural_sentences(folder: Path = WORDNET) -> tuple[str, ...]:
    """WordNet's examples and definitions that hold words of `vocabulary` alone, as sentences, without duplicates.

    Raises `InputError` if WordNet is not installed.
    """
    examples, definitions = _texts(folder)
    known = vocabulary()
    fitting = (text for text in (*examples, *definitions) if _fits(text, known))
    return tuple(dict.fromkeys(_sentence(text) for text in fitting))


def _texts(folder: Path) -> tuple[list[str], list[str]]:
    """Examples and definitions, in the order of WordNet's files."""
    examples, definitions = [], []
    for part in ("noun", "verb", "adj", "adv"):
        try:
            lines = (folder / f"data.{part}").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise InputError(f"{folder}/data.{part}: no WordNet here; on Debian type: apt-get install wordnet-base") from None
        for line in lines:
            _, bar, gloss = line.partition("| ")
            if bar and not line.startswith("  "):  # the licence is indented
                examples += re.findall(r'"([^"]+)"', gloss)
                definitions.append(re.sub(r';?\s*"[^"]*".*', "", gloss).strip())
    return examples, definitions


def _fits(text: str, known: frozenset[str]) -> bool:
    words = _WORD.findall(text)
    return bool(words and _PLAIN.fullmatch(text)) and all(word.lower() in known for word in words)


def _sentence(text: str) -> str:
    """With the marks that `pocket` writes, a capital letter in front and an end."""
    text = re.sub(r"[;!.]+(?=\s)", ",", " ".join(text.split()))
    text = re.sub(r"\s+([,?])", r"\1", text).strip(" ,;.!'")
    text = re.sub(r",(?!\s)", ", ", text)
    text = re.sub(r"\bi\b", "I", text)
    return text[0].upper() + text[1:] + ("" if text.endswith("?") else ".")


def _often(examples: Iterable[str], definitions: Iterable[str], always: frozenset[str]) -> list[str]:
    in_examples, anywhere = Counter[str](), Counter[str]()
    for texts, counts in ((examples, (in_examples, anywhere)), (definitions, (anywhere,))):
        for text in texts:
            for count in counts:
                count.update(word.lower() for word in _WORD.findall(text))
    often = {w for w, n in in_examples.items() if n >= OFTEN_IN_EXAMPLES and anywhere[w] >= OFTEN_AT_ALL and len(w) > 1}
    return sorted(often | always)


def _alike(words: list[str]) -> list[list[str]]:
    """Groups of words with the same phonemes, stress aside, by eSpeak NG."""
    spoken = subprocess.run(
        ["espeak-ng", "-v", "en-us", "-q", "-x"], input="\n".join(words), capture_output=True, text=True, check=True
    )
    groups = defaultdict(list)
    for word, phonemes in zip(words, spoken.stdout.splitlines(), strict=True):
        groups[re.sub(r"[',%_|\s]", "", phonemes)].append(word)
    return [group for group in groups.values() if len(group) > 1]


def main() -> None:
    from .text import lexicon

    words = _often(*_texts(WORDNET), lexicon().vocabulary)
    (HERE / "vocabulary.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    groups = [" ".join(group) for group in _alike(words)]
    heading = "# Words of vocabulary.txt that eSpeak NG speaks alike (en-us): python -m earspan.speech.pocket.natural"
    (HERE / "homophones.txt").write_text("\n".join([heading, *groups]) + "\n", encoding="utf-8")
    print(f"{len(words)} words, {len(groups)} groups that sound alike")


if __name__ == "__main__":
    main()
