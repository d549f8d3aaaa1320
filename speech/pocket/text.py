"""Training text for `pocket`: sentences drawn from a small grammar over a closed lexicon, seeded.

Half of the recogniser's job is to be unsure where a listener would be: so next to grammatical sentences there
are word lists without grammar, which only the sound can settle, and homophones that occur only where grammar
settles them ("they heard their story", "the sea", "I see").
"""

import random
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

LEXICON_PATH = Path(__file__).with_name("lexicon.txt")

# Words that sound like another word of the lexicon (in American or British English).
# They never stand in a list without grammar: there, nothing but luck could choose the spelling.
HOMOPHONES = frozenset(
    "ate eight blue buy by do eye for four hear here hour i its knew know led made meet new no not "
    "one or our past read red right road sea see so some son sun their there to too two "
    "wait way wear wearing wears week where which wood would write writing wrote".split()
)


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


@cache
def lexicon() -> Lexicon:
    """The lexicon of `lexicon.txt`, with derived plurals and verb forms."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in LEXICON_PATH.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), [])
        else:
            current += line.split()
    nouns = []
    for entry in dict.fromkeys(sections.pop("noun")):
        singular, _, plural = entry.partition("/")
        nouns.append((singular, plural or _plural(singular)))
    verbs = [_verb_forms(entry) for entry in dict.fromkeys(sections.pop("verb"))]
    mass = tuple(sections.pop("mass"))
    return Lexicon(tuple(nouns), mass, tuple(verbs), {name: tuple(words) for name, words in sections.items()})


# Each rule lists its alternatives. Lower-case words stand for themselves, <name> for another rule or a draw
# from the lexicon; an alternative is as likely as any other of its rule, so likely ones are listed twice.
GRAMMAR: dict[str, list[str]] = {
    "text": ["<statement>.", "<statement>.", "<statement>.", "<statement>.", "<statement>, <link> <statement>.",
             "<statement> <because> <statement>.", "<when> <statement>, <statement>.", "<question>?", "<question>?",
             "<imperative>.", "<there>.", "<counting>.", "<opening>, <statement>.", "<said>."],
    "link": ["and", "but", "so", "or"],
    "because": ["because", "if", "while", "until", "before", "after", "although", "than"],
    "when": ["when", "if", "before", "after", "while", "although", "as", "until"],
    "opening": ["yes", "no", "hello", "please", "sorry", "thanks", "today", "tonight", "tomorrow", "yesterday",
                "first", "finally", "perhaps", "maybe", "sometimes", "usually", "then", "now", "at last", "in <when_time>",
                "in the end", "for example", "on <day>", "one day", "every <time_unit>", "<number> <time_units> ago",
                "after that", "of course", "as usual", "at first"],
    "statement": ["<subject> <predicate>", "<subject> <predicate>", "<subject> <predicate>",
                  "<singular> <predicate_s>", "<singular> <predicate_s>", "<plural> <predicate_p>",
                  "<subject> <predicate> <place>", "<subject> <predicate> <time>", "<subject> <adverb> <predicate>"],
    "subject": ["i", "you", "he", "she", "it", "we", "they", "everyone", "nothing", "something", "<person>", "<person>",
                "<noun_phrase>", "<noun_phrase>", "<noun_phrase>", "<people>", "no one", "<person> and <person>",
                "this", "that", "everyone else", "one of them", "both of us", "many of the <nouns>", "each of the <nouns>"],
    "singular": ["he", "she", "it", "<person>", "the <noun>", "the <adjective> <noun>", "my <noun>", "your <noun>", "their <noun>",
                 "our <noun>", "every <noun>", "each <noun>", "this <noun>", "that <noun>", "<mass>", "everyone", "his <noun>", "her <noun>"],
    "plural": ["we", "they", "you", "i", "the <nouns>", "the <adjective> <nouns>", "<number> <nouns>", "many <nouns>",
               "most <nouns>", "several <nouns>", "these <nouns>", "those <nouns>", "few <nouns>", "all <nouns>",
               "both <nouns>", "our <nouns>", "their <nouns>", "some <nouns>", "people"],
    "people": ["the <nouns>", "two <nouns>", "some <nouns>", "our <nouns>", "their <nouns>", "these <nouns>", "people"],
    "predicate": ["<past>", "<past> <object>", "<past> <object>", "<past> <preposition> <object>",
                  "<past> <object> <preposition> <object>", "<modal> <base> <object>", "<modal> <base> <preposition> <object>",
                  "<modal> not <base> <object>", "did not <base> <object>", "<past> to <base> <object>",
                  "<past> that <statement>", "<modal> <base>", "had to <base> <object>", "<past> <object> <adverb>",
                  "<modal> be <quality>", "<modal> <adverb> <base> <object>", "<past> and <past> <object>", "had <object>",
                  "gave <them> <object>", "told <them> to <base>", "told <them> about <object>", "asked <them> to <base> <object>",
                  "knew how to <base>", "knew where <object> was", "said nothing", "<past> something to <base>", "<past> again"],
    "predicate_s": ["<third>", "<third> <object>", "<third> <preposition> <object>", "is <quality>", "was <quality>", "is <ing> <object>",
                    "was <ing> <object>", "has <object>", "does not <base> <object>", "is <preposition> <object>",
                    "was <ing> <preposition> <object>", "wants to <base> <object>", "is not <quality>", "is <determined>",
                    "was <determined>", "is very <adjective>", "was too <adjective> to <base>", "is as <adjective> as <object>",
                    "has had <object>", "is <ing>"],
    "predicate_p": ["<base>", "<base> <object>", "<base> <preposition> <object>", "are <quality>", "were <quality>", "are <ing> <object>",
                    "were <ing> <object>", "have <object>", "do not <base> <object>", "are <preposition> <object>",
                    "were <ing> <preposition> <object>", "want to <base> <object>", "are not <quality>", "were very <adjective>",
                    "have <past> <object>", "are too <adjective> to <base>", "often <base> <object>", "never <base> <object>",
                    "still <base> <object>", "also <base> <object>", "usually <base> <object>"],
    "quality": ["<adjective>", "<adjective>", "very <adjective>", "too <adjective>", "so <adjective>", "<adjective> and <adjective>",
                "<adjective> but <adjective>", "almost <adjective>", "more <adjective>", "still <adjective>", "not <adjective>", "only <adjective>"],
    "determined": ["a <noun>", "a <adjective> <noun>", "the same <noun>", "another <noun>", "the first <noun>", "the last <noun>", "our <noun>"],
    "object": ["the <noun>", "the <noun>", "a <noun>", "the <adjective> <noun>", "a <adjective> <noun>", "the <nouns>", "my <noun>", "your <noun>",
               "his <noun>", "her <noun>", "our <noun>", "their <noun>", "its <noun>", "some <mass>", "the <mass>", "<mass>", "no <mass>",
               "<number> <nouns>", "many <nouns>", "<them>", "<person>", "any <nouns>", "a few <nouns>", "another <noun>", "enough <mass>",
               "much more <mass>", "the <noun> of the <noun>", "a <noun> of <mass>", "the other <noun>", "these <nouns>", "this <noun>",
               "that <noun>", "all the <nouns>", "every <noun>", "most of the <mass>", "one of the <nouns>", "half of the <nouns>",
               "the <noun> and the <noun>", "<number> <adjective> <nouns>", "several <nouns>", "both <nouns>", "something <adjective>",
               "an <vowel_noun>", "an <vowel_noun>", "the <noun> <noun>", "their <adjective> <noun>", "her <nouns>", "what <subject> <past>"],
    "noun_phrase": ["the <noun>", "the <noun>", "the <adjective> <noun>", "a <noun>", "a <adjective> <noun>", "my <noun>", "your <noun>", "his <noun>",
                    "her <noun>", "our <noun>", "their <noun>", "the <noun> of the <noun>", "the <adjective> <adjective> <noun>", "the <nouns>",
                    "another <noun>", "one <noun>", "the first <noun>", "the second <noun>", "an <vowel_noun>", "the <noun> <preposition> the <noun>",
                    "some <nouns>", "<mass>", "the <mass>", "the old <noun>", "a <noun> and a <noun>"],
    "question": ["did <subject> <base> <object>", "do you <base> <object>", "can <subject> <base> <object>", "where is <object>", "who <past> <object>",
                 "why did <subject> <base>", "how many <nouns> did <subject> <base>", "what did <subject> <base>", "when will <subject> <base> <object>",
                 "which <noun> is <quality>", "is <object> <quality>", "are the <nouns> <quality>", "how long did <subject> <base>",
                 "would you <base> <object>", "do they know", "who knows", "will <subject> <base> <object>", "how much <mass> is there",
                 "does <singular> <base> <object>", "is there any <mass>", "could you <base> <object> please", "where did <subject> <base> <object>",
                 "why is <object> so <adjective>", "have you <past> <object>", "what is that <noun>", "who is there", "how old is <object>"],
    "imperative": ["please <base> <object>", "<base> <object>", "do not <base> <object>", "<base> <object> <preposition> <object>",
                   "please <base> <adverb>", "look at <object>", "listen to <object>", "come here", "turn left at <object>",
                   "turn right at <object>", "go to <object>", "wait for <them>", "write <object> <adverb>", "tell <them> <object>"],
    "there": ["there is <object>", "there are <number> <nouns>", "there was <object> <place>", "there were <number> <nouns> <place>",
              "there is no <noun> here", "here is <object>", "here are the <nouns>", "there is too much <mass>", "it is <adjective> here",
              "it was <time_of_day>", "it is too late to <base>", "there was nothing to <base>", "there will be <object>"],
    "counting": ["<number>, <number>, <number>", "it was <number> <time_of_day>", "the answer is <number>", "<number> and <number> is <number>",
                 "page <number>", "room <number>", "<tens> <ones> <nouns>", "<ones> hundred and <tens> <nouns>", "<ones> thousand <nouns>",
                 "the price is <tens> <ones>", "<tens> <ones> of the <nouns> <past> <object>", "it took <number> <time_units>",
                 "<number> of us <past> <object>", "<number> or <number> <nouns>", "at half past <ones>"],
    "said": ["<person> said that <statement>", "she said, <statement>", "he said, <statement>", "i think that <statement>",
             "do you know that <statement>", "we know that <statement>", "they say that <statement>", "i thought that <statement>",
             "<person> asked, <question>", "he asked if <statement>", "she wanted to know why <statement>", "they hope that <statement>"],
    "place": ["in the <noun>", "at the <noun>", "near the <noun>", "on the <noun>", "by the sea", "behind the <noun>", "under the <noun>",
              "at home", "in london", "in paris", "over there", "along the road", "through the <noun>", "to the <noun>",
              "into the <noun>", "from the <noun>", "without <object>", "with <object>", "around the <noun>", "against the <noun>", "off the <noun>",
              "up the hill", "down the street", "between the <nouns>", "about the <noun>", "above the <noun>", "here", "there"],
    "time": ["today", "tonight", "tomorrow", "yesterday", "on <day>", "in <when_time>", "at <number>", "for <number> <time_units>", "last <time_unit>",
             "next <time_unit>", "every <time_unit>", "this <time_unit>", "<number> <time_units> ago", "all day", "at night", "for a week", "again",
             "during the <noun>", "by <day>", "until <day>", "before <day>", "after <number> <time_units>", "one <time_unit>", "now", "at once"],
    "time_of_day": ["in the morning", "in the evening", "at night", "late", "early", "time to <base>", "<day> <time_unit>"],
    "person": ["<name>", "<name>", "<name>", "my <family>", "the <family>", "their <family>", "your <family>"],
    "family": ["mother", "father", "sister", "brother", "son", "daughter", "wife", "friend", "teacher", "doctor", "child"],
    "them": ["me", "you", "him", "her", "it", "us", "them", "everyone", "<person>"],
    "modal": ["can", "could", "will", "would", "may", "must", "did"],
    "time_unit": ["day", "week", "month", "year", "morning", "evening", "night", "hour", "minute", "second", "summer", "winter", "spring", "autumn"],
    "time_units": ["days", "weeks", "months", "years", "hours", "minutes", "seconds", "mornings", "nights"],
    "when_time": ["january", "march", "the morning", "the evening", "spring", "summer", "autumn", "winter", "an hour", "a week", "a minute",
                  "<number> days", "<number> hours", "the end", "time"],
    "day": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    "ones": ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "tens": ["ten", "eleven", "twelve", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty"],
    "list": ["<any> <any> <any>", "<any> <any> <any> <any>", "<any> <any> <any> <any> <any>", "<any> <any> <any> <any> <any> <any> <any>"],
}


class TextSource:
    """Sentences as a list of words with punctuation, drawn with a seed: `TextSource(7).sentence()`."""

    def __init__(self, seed: int, list_share: float = 0.3) -> None:
        self._random = random.Random(seed)
        self._list_share = list_share
        words = lexicon()
        every = sorted(words.vocabulary - HOMOPHONES)
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
        """One sentence: capital letter, closing mark, words of the lexicon only."""
        rule = "<list>." if self._random.random() < self._list_share else "<text>"
        text = self._expand(rule)
        text = re.sub(r"\b(%s|i)\b" % "|".join(_capitalised()), lambda m: m.group().capitalize(), text)
        return text[0].upper() + text[1:]

    def _expand(self, template: str) -> str:
        return re.sub(r"<(\w+)>", lambda m: self._draw(m.group(1)), template)

    def _draw(self, name: str) -> str:
        if name in GRAMMAR:
            return self._expand(self._random.choice(GRAMMAR[name]))
        return self._random.choice(self._draws[name])


@cache
def _capitalised() -> tuple[str, ...]:
    return lexicon().words["name"] + lexicon().words["proper"]
