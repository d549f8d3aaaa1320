"""Training text for `pocket`: sentences of natural English and of a small grammar over a closed vocabulary, seeded.

Half of the recogniser's job is to be unsure where a listener would be: so next to grammatical sentences there
are word lists without grammar, which only the sound can settle, and homophones that occur only where grammar or
meaning settles them ("they heard their story", "the sea", "I see").
"""

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .natural import homophone_groups, natural_sentences, running_text, vocabulary, words_of

RUNNING_SHARE = 0.75  # of the natural sentences drawn as they come; the others are WordNet's
GOES_ON_SHARE = 0.6  # of the sentences of running text, those after which comes the next one: a talk keeps to its topic
# Of the natural sentences, those drawn for one of their words, any word of the vocabulary as likely as another. Drawn
# as they come, half of the vocabulary was said 17 times or less in 47 h, and what is heard as rarely stays misspelt.
FOR_A_WORD_SHARE = 0.6
FOR_A_HOMOPHONE_SHARE = 0.4  # of these, those drawn for a word with a homophone: only what stands around it tells
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Lexicon:
    """Surface forms by part of speech; every entry is lower case."""

    nouns: tuple[tuple[str, str], ...]  # (singular, plural)
    mass: tuple[str, ...]
    verbs: tuple[tuple[str, str, str, str], ...]  # (base, third person, past, -ing)
    words: dict[str, tuple[str, ...]] = field(repr=False)  # the other sections, as they are

    @property
    def vocabulary(self) -> frozenset[str]:
        """Every surface form the grammar can produce, lower case."""
        forms = {form for noun in self.nouns for form in noun} | set(self.mass)
        forms |= {form for verb in self.verbs for form in verb}
        forms |= {word for section in self.words.values() for word in section}
        return frozenset(forms)


def _plural(noun: str) -> str:
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


def _verb_forms(entry: str) -> tuple[str, str, str, str]:
    base, _, irregular = entry.partition("/")
    consonant_y = bool(re.search(r"[^aeiou]y$", base))
    third = base[:-1] + "ies" if consonant_y else base + ("es" if re.search(r"(s|x|ch|sh|go|do)$", base) else "s")
    doubled = base in DOUBLING
    stem = base + base[-1] if doubled else base
    past = irregular or (base[:-1] + "ied" if consonant_y else base + "d" if base.endswith("e") else stem + "ed")
    drops_e = base.endswith("e") and not base.endswith("ee")
    return base, third, past, (base[:-1] if drops_e else stem) + "ing"


DOUBLING = frozenset("begin cut forget get put run sit stop".split())


def _sections(file_name: str) -> dict[str, list[str]]:
    """The lines below each `[heading]` of a text file beside this one; `#` starts a comment line."""
    sections: dict[str, list[str]] = {}
    heading = ""
    for line in (_HERE / file_name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            heading = line.strip("[]")
            sections[heading] = []
        elif line and not line.startswith("#"):
            sections[heading].append(line)
    return sections


@cache
def grammar() -> dict[str, list[str]]:
    """The alternatives of each rule, from `grammar.txt`."""
    return _sections("grammar.txt")


@cache
def lexicon() -> Lexicon:
    """The lexicon of `lexicon.txt`, with derived plurals and verb forms."""
    sections = {name: " ".join(lines).split() for name, lines in _sections("lexicon.txt").items()}
    nouns = []
    for entry in dict.fromkeys(sections.pop("noun")):
        singular, _, plural = entry.partition("/")
        nouns.append((singular, plural or _plural(singular)))
    verbs = [_verb_forms(entry) for entry in dict.fromkeys(sections.pop("verb"))]
    mass = tuple(sections.pop("mass"))
    return Lexicon(tuple(nouns), mass, tuple(verbs), {name: tuple(words) for name, words in sections.items()})


@cache
def sentences_with(words: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    """For each of `words` that natural sentences hold, in alphabetical order, these sentences."""
    holding: dict[str, list[str]] = {}
    for sentence in itertools.chain(*running_text(), natural_sentences()):
        for word in words.intersection(words_of(sentence)):
            holding.setdefault(word, []).append(sentence)
    return tuple(tuple(holding[word]) for word in sorted(holding))


@cache
def homophones() -> frozenset[str]:
    """Words that sound like another one of the vocabulary (in American or British English).

    They never stand in a list without grammar: there, nothing but luck could choose the spelling.
    """
    return frozenset("do eye i know led made meet red read road".split()).union(*homophone_groups())


class TextSource:
    """Sentences with punctuation, drawn with a seed: `TextSource(7).sentence()`.

    `list_share` of them are lists of words, `natural_share` are running text or WordNet's, the others are drawn
    from the grammar.
    """

    def __init__(self, seed: int, list_share: float = 0.3, natural_share: float = 0.0) -> None:
        self._random = random.Random(seed)
        self._passage: Iterator[str] = iter(())  # what comes next in the running text
        self._list_share, self._natural_share = list_share, natural_share
        words = lexicon()
        every = sorted(vocabulary() - homophones())
        self._draws: dict[str, tuple[str, ...] | list[str]] = {
            "noun": [singular for singular, _ in words.nouns],
            "nouns": [plural for _, plural in words.nouns],
            "vowel_noun": [singular for singular, _ in words.nouns if singular[0] in "aeio"] + ["hour", "hour"],
            "mass": words.mass,
            "base": [verb[0] for verb in words.verbs],
            "third": [verb[1] for verb in words.verbs],
            "past": [verb[2] for verb in words.verbs],
            "ing": [verb[3] for verb in words.verbs],
            "any": every,
            **{name: words.words[name] for name in ("adjective", "adverb", "preposition", "number", "name")},
        }

    def sentence(self) -> str:
        """One sentence: capital letter, closing mark, words of the vocabulary only."""
        if following := next(self._passage, None):
            return following
        kind = self._random.random()
        if kind < self._natural_share:
            if self._random.random() < FOR_A_WORD_SHARE:
                alike = self._random.random() < FOR_A_HOMOPHONE_SHARE
                return self._random.choice(self._random.choice(sentences_with(homophones() if alike else vocabulary())))
            if self._random.random() >= RUNNING_SHARE:
                return self._random.choice(natural_sentences())
            texts = running_text()
            # Any sentence is as likely as another, or a short text would be known by heart.
            self._passage = self._passage_of(*self._random.choices(texts, [len(text) for text in texts]))
            return next(self._passage)
        rule = "<list>." if kind < self._natural_share + self._list_share else "<text>"
        text = self._expand(rule)
        text = re.sub(rf"\b({'|'.join(_capitalised())}|i)\b", lambda m: m.group().capitalize(), text)
        return text[0].upper() + text[1:]

    def _passage_of(self, text: Sequence[str]) -> Iterator[str]:
        first = end = self._random.randrange(len(text))
        while end == first or self._random.random() < GOES_ON_SHARE:
            end += 1
        return iter(text[first:end])

    def _expand(self, template: str) -> str:
        return re.sub(r"<(\w+)>", lambda m: self._draw(m.group(1)), template)

    def _draw(self, name: str) -> str:
        if name in grammar():
            return self._expand(self._random.choice(grammar()[name]))
        return self._random.choice(self._draws[name])


@cache
def _capitalised() -> tuple[str, ...]:
    return lexicon().words["name"] + lexicon().words["proper"]
