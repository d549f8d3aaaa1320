"""Which phonemes belong to which word: eSpeak NG joins some ("of the"), and word times need them apart."""

from collections.abc import Sequence
from functools import cache

# From eSpeak NG's notation, diphthongs tied by "^", to the one that Kokoro was trained on: hexgrad/misaki, espeak.py.
_BOTH = (
    ("ʔˌn\u0329", "tᵊn"), ("ʔn", "tᵊn"), ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("t^ʃ", "ʧ"),
    ("ɔ^ɪ", "Y"), ("ə^l", "ᵊl"), ("n\u0329", "ᵊn"), ("l\u0329", "ᵊl"), ("\u0303", ""), ("e^ə", "ɛː"), ("e", "A"),
    ("r", "ɹ"), ("x", "k"), ("ç", "k"), ("ɐ", "ə"), ("ɚɹ", "əɹ"), ("ɚ", "əɹ"), ("ɬ", "l"), ("ʔ", "t"), ("ʲ", ""),
)  # fmt: skip
_BRITISH = (("iə", "ɪə"), ("i^ə", "ɪə"), ("ə^ʊ", "Q"))
_AMERICAN = (("o^ʊ", "O"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""), ("ɾ", "T"))
_STRESS = str.maketrans("", "", "ˈˌ")


def kokoro_notation(phonemes: str, british: bool) -> str:
    """Return eSpeak NG's phonemes, tied by "^", as Kokoro writes them."""
    # A British [eə] is a long vowel of Kokoro's; the lone e of other languages is a diphthong there.
    for old, new in (*_BOTH, *(_BRITISH if british else _AMERICAN)):
        phonemes = phonemes.replace(old, new)
    return phonemes.replace("^", "").replace("o", "ɔ")


def by_word(spoken: Sequence[str], alone: Sequence[str]) -> list[str]:
    """Return the phonemes of each word, where `spoken` are those of a sentence, some words of it joined.

    `alone` are the words spoken one by one, in the same notation: each word gets the part of `spoken` most like it.
    Every space that is there stays a boundary; where words are joined, a boundary is put in.
    """
    joined_at_most = len(alone) - len(spoken) + 1
    # cost and the split of the first `w` words, after each group
    best: dict[int, tuple[int, list[str]]] = {0: (0, [])}
    for group in spoken:
        following: dict[int, tuple[int, list[str]]] = {}
        for done, (cost, parts) in best.items():
            for count in range(1, joined_at_most + 1):
                if done + count > len(alone):
                    break
                more, split = _split(group, tuple(alone[done : done + count]))
                if done + count not in following or cost + more < following[done + count][0]:
                    following[done + count] = cost + more, [*parts, *split]
        best = following
    if len(alone) not in best:
        raise ValueError(f"{' '.join(spoken)!r} are not the phonemes of {len(alone)} words")
    return best[len(alone)][1]


@cache
def _split(group: str, words: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Return the cheapest split of one run of phonemes into as many parts as there are words."""
    if len(words) == 1:
        return distance(group.translate(_STRESS), words[0].translate(_STRESS)), (group,)
    options = [
        (distance(group[:at].translate(_STRESS), words[0].translate(_STRESS)) + cost, (group[:at], *rest))
        for at in range(1, len(group))
        if group[at - 1] not in "ˈˌ" and group[at] not in "ː"  # a stress mark goes with what follows
        for cost, rest in [_split(group[at:], words[1:])]
    ]
    return min(options, default=(len(group) + 99, (group, *[""] * (len(words) - 1))))


def distance(a: str, b: str) -> int:
    """Return Levenshtein's distance of two texts."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]
