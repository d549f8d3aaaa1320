"""Natural English for the training text of `pocket`: examples and definitions of WordNet 3, and running text.

    python -m earspan.speech.pocket.natural      # writes vocabulary.txt beside this file again

Debian's package `wordnet-base` holds WordNet (Princeton, a permissive licence), `fortunes` quotations and verse,
`anarchism` a long political treatise, `endless-sky-data` the stories and dialogue of a game, `sword-text-web` the Bible
in plain modern English (World English Bible, public domain), `sword-comm-tdavid` and `sword-comm-mhcc` two commentaries
on it (Spurgeon, Henry; public domain), `dict-gcide` a dictionary with its examples. Their text is read while training,
not kept in this project: committed are the words that occur in WordNet often enough to be learnt, and how they sound.
Definitions are no sentences ("and" is rarer in them than "or"), and a word list teaches no grammar: which of two
homophones it is, running text tells.
"""

import gzip
import html
import re
import struct
import subprocess
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ...backends.errors import InputError

WORDNET = Path("/usr/share/wordnet")
FORTUNES = Path("/usr/share/games/fortunes")
TREATISE = Path("/usr/share/doc/anarchism/html")
STORIES = Path("/usr/share/games/endless-sky/data")
SCRIPTURE = Path("/usr/share/sword/modules/texts/ztext/engWEB2015eb")
COMMENTARIES = Path("/usr/share/sword/modules/comments/zcom")
DICTIONARY = Path("/usr/share/dictd")
SOURCES = {
    "wordnet-base": WORDNET, "fortunes": FORTUNES, "anarchism": TREATISE, "endless-sky-data": STORIES,
    "sword-text-web": SCRIPTURE, "sword-comm-tdavid": COMMENTARIES / "tdavid", "sword-comm-mhcc": COMMENTARIES / "mhcc",
    "dict-gcide": DICTIONARY / "gcide.dict.dz",
}  # fmt: skip
LEFT_OUT = frozenset("ascii-art ethnic men-women".split())  # drawings, and what few would care to read
SHORTEST_CLAUSE = 4  # words
HERE = Path(__file__).parent
OFTEN_IN_EXAMPLES, OFTEN_AT_ALL = 5, 8  # a word is learnt from so many examples, and examples and definitions
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
_PLAIN = re.compile(r"[A-Za-z',;?!. ]+")
_PLAIN_MARKS = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": ", "})


@cache
def pronunciations() -> dict[str, tuple[str, ...]]:
    """The words that `pocket` is taught, lower case, with the phonemes that eSpeak NG speaks in American English."""
    lines = (HERE / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    return {word: tuple(phonemes) for word, *phonemes in map(str.split, lines)}


@cache
def vocabulary() -> frozenset[str]:
    """The words of natural text that `pocket` is taught, lower case."""
    return frozenset(pronunciations())


@cache
def homophone_groups() -> tuple[frozenset[str], ...]:
    """Words of the vocabulary with the same phonemes, stress aside."""
    alike = defaultdict(set)
    for word, phonemes in pronunciations().items():
        alike["".join(phonemes)].add(word)
    return tuple(frozenset(group) for group in alike.values() if len(group) > 1)


@cache
def natural_sentences(folder: Path = WORDNET) -> tuple[str, ...]:
    """WordNet's examples and definitions that hold words of `vocabulary` alone, as sentences, without duplicates.

    Raises `InputError` if WordNet is not installed.
    """
    examples, definitions = _texts(folder)
    known = vocabulary()
    fitting = (text for text in (*examples, *definitions) if _fits(text, known))
    return tuple(dict.fromkeys(_sentence(text) for text in fitting))


@cache
def quotations(folder: Path = FORTUNES) -> tuple[str, ...]:
    """The sentences of `fortunes` that hold words of `vocabulary` alone, else their clauses that do, no duplicates.

    Raises `InputError` if `fortunes` is not installed.
    """
    files = (path for path in folder.glob("*") if not path.suffix and path.name not in LEFT_OUT)
    fortunes = (fortune for text in _read(files, folder, "fortunes") for fortune in text.split("\n%\n"))
    # Who said it stands below.
    return _clauses(re.sub(r"\s--\s.*", "", fortune, flags=re.DOTALL) for fortune in fortunes)


@cache
def treatise(folder: Path = TREATISE) -> tuple[str, ...]:
    """The same of the pages of `anarchism`. Raises `InputError` if it is not installed."""
    return _clauses(
        _without_tags(block)
        for page in _read(folder.glob("*.html"), folder, "anarchism")
        for block in re.split(r"</?(?:p|h\d|li|ul|ol|blockquote|title|div|br)\b[^>]*>", page)
    )


@cache
def stories(folder: Path = STORIES) -> tuple[str, ...]:
    """The same of what is told and said in `endless-sky-data`. Raises `InputError` if it is not installed."""
    texts = _read(folder.glob("*.txt"), folder, "endless-sky-data")
    return _clauses(told for text in texts for told in re.findall(r"`([^`]*)`", text))


@cache
def scripture(folder: Path = SCRIPTURE) -> tuple[str, ...]:
    """The same of `sword-text-web`: OSIS in the SWORD project's zText. Raises `InputError` if it is not installed."""
    return _clauses(_passages(folder, "sword-text-web"))


@cache
def commentary(folder: Path) -> tuple[str, ...]:
    """The same of a commentary in `COMMENTARIES`. Raises `InputError` if it is not installed."""
    return _clauses(_passages(folder, f"sword-comm-{folder.name}"))


@cache
def dictionary(folder: Path = DICTIONARY) -> tuple[str, ...]:
    """The same of `dict-gcide`'s definitions and their examples. Raises `InputError` if it is not installed."""
    packed = _files(folder.glob("gcide.dict.dz"), folder, "dict-gcide")
    texts = (gzip.decompress(path.read_bytes()).decode(errors="replace") for path in packed)  # some bytes are no UTF-8
    entries = (entry for text in texts for entry in re.split(r"\n\s*\n", text))
    # In brackets stands where a word comes from, in braces another entry's name.
    return _clauses(re.sub(r"\[[^\]]*\]|[{}]", "", entry) for entry in entries)


def running_text() -> tuple[tuple[str, ...], ...]:
    """The sentences of each source of running text. Raises `InputError` if one is not installed."""
    commentaries = (commentary(COMMENTARIES / name) for name in ("tdavid", "mhcc"))
    return quotations(), treatise(), stories(), scripture(), *commentaries, dictionary()


def words_of(text: str) -> list[str]:
    """The words of a text, lower case, without its marks."""
    return [word.lower() for word in _WORD.findall(text)]


def _without_tags(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def _passages(folder: Path, package: str) -> Iterable[str]:
    """The text of a module of the SWORD project, in OSIS, between its marks, without notes and titles."""
    for path in _files(folder.glob("*.?zz"), folder, package):
        for book in map(bytes.decode, _unpacked(path)):
            pieces = re.split(r"<note\b.*?</note>|<title\b.*?</title>|<div\b[^>]*>", book, flags=re.DOTALL)
            yield from map(_without_tags, pieces)


def _unpacked(packed: Path) -> Iterable[bytes]:
    """The blocks of a zText file. Beside it lies where each begins, how long it is packed and unpacked (`zverse.h`)."""
    streams, index = packed.read_bytes(), packed.with_suffix(f"{packed.suffix[:2]}zs").read_bytes()
    for start, size, _ in struct.iter_unpack("<III", index):
        yield zlib.decompress(streams[start : start + size])


def _read(paths: Iterable[Path], folder: Path, package: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in _files(paths, folder, package)]


def _files(paths: Iterable[Path], folder: Path, package: str) -> list[Path]:
    if files := sorted(paths):
        return files
    raise InputError(f"{folder}: no text here; on Debian type: apt-get install {package}")


def _clauses(texts: Iterable[str]) -> tuple[str, ...]:
    """The sentences of `texts` that hold words of `vocabulary` alone, else their clauses that do, no duplicates."""
    known, found = vocabulary(), []
    for text in texts:
        said = re.sub(r"(?<![A-Za-z])'|'(?![A-Za-z])|\"", "", text.translate(_PLAIN_MARKS))  # quotation marks
        for sentence in re.findall(r"[^.!?]+(?:[.!?]|$)", " ".join(said.split())):
            sentence = sentence.strip()
            # Where a clause holds a number or a name, what is left of it would be no clause.
            parts = [sentence] if _fits(sentence, known) else re.split(r"[,;:.!?()]|--+", sentence)
            found += [part for part in parts if _fits(part, known) and _is_text(part)]
    return tuple(dict.fromkeys(map(_sentence, found)))


def _is_text(part: str) -> bool:
    words = _WORD.findall(part)
    return len(words) >= SHORTEST_CLAUSE and not any(word.isupper() and len(word) > 1 for word in words)


def _texts(folder: Path) -> tuple[list[str], list[str]]:
    """Examples and definitions, in the order of WordNet's files."""
    examples, definitions = [], []
    for part in ("noun", "verb", "adj", "adv"):
        try:
            lines = (folder / f"data.{part}").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise InputError(
                f"{folder}/data.{part}: no WordNet here; on Debian type: apt-get install wordnet-base"
            ) from None
        for line in lines:
            _, bar, gloss = line.partition("| ")
            if bar and not line.startswith("  "):  # the licence is indented
                examples += re.findall(r'"([^"]+)"', gloss)
                definitions.append(re.sub(r';?\s*"[^"]*".*', "", gloss).strip())
    return examples, definitions


def _fits(text: str, known: frozenset[str]) -> bool:
    words = words_of(text)
    return bool(words and _PLAIN.fullmatch(text)) and known.issuperset(words)


def _sentence(text: str) -> str:
    """With the marks that `pocket` writes, a capital letter in front and an end."""
    text = re.sub(r"\s*(?:[;!]|\.+|\?(?=.))\s*(?=\S)", ", ", " ".join(text.split()))
    text = re.sub(r"(\s*,)+\s*", ", ", text)
    text = re.sub(r"[\s,]+\?", "?", text).strip(" ,;.!'")
    text = re.sub(r"\bi\b", "I", text)
    return text[0].upper() + text[1:] + ("" if text.endswith("?") else ".")


def _often(examples: Iterable[str], definitions: Iterable[str], always: frozenset[str]) -> list[str]:
    in_examples, anywhere = Counter[str](), Counter[str]()
    for texts, counts in ((examples, (in_examples, anywhere)), (definitions, (anywhere,))):
        for text in texts:
            words = words_of(text)
            for count in counts:
                count.update(words)
    often = {w for w, n in in_examples.items() if n >= OFTEN_IN_EXAMPLES and anywhere[w] >= OFTEN_AT_ALL and len(w) > 1}
    return sorted(often | always)


def _spoken(words: list[str]) -> list[str]:
    """The phonemes of each word by eSpeak NG, separated by spaces, without stress."""
    spoken = subprocess.run(
        ["espeak-ng", "-v", "en-us", "-q", "-x", "--sep=_"],
        input="\n".join(words), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [" ".join(re.split(r"[_\s]+", re.sub(r"[',%|=]", "", line.strip()))) for line in spoken.stdout.splitlines()]


def main() -> None:
    from .text import lexicon

    words = _often(*_texts(WORDNET), lexicon().vocabulary)
    lines = [f"{word} {phonemes}\n" for word, phonemes in zip(words, _spoken(words), strict=True)]
    (HERE / "vocabulary.txt").write_text("".join(lines), encoding="utf-8")
    print(f"{len(words)} words")


if __name__ == "__main__":
    main()
