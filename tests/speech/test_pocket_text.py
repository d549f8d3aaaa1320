"""The training text stays inside the vocabulary and the token table that the checkpoint stores."""

import gzip
import itertools
import random
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from earspan.backends.errors import InputError
from earspan.speech.pocket import natural
from earspan.speech.pocket import text as recipe
from earspan.speech.pocket.natural import (
    COMMENTARIES,
    commentary,
    dictionary,
    homophone_groups,
    natural_sentences,
    quotations,
    running_text,
    scripture,
    stories,
    treatise,
    vocabulary,
)
from earspan.speech.pocket.text import TextSource, grammar, homophones, lexicon
from earspan.speech.pocket.vocabulary import (
    LETTERS,
    N_VOCAB,
    compact_index,
    letters_of,
    phonemes,
    phonemes_of,
    tokenizer,
    used_tokens,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ..installed import NATURAL_TEXT, needs_natural_text

SEEDS = st.integers(0, 2**40)
needs_wordnet = pytest.mark.skipif(
    not (natural.WORDNET / "data.noun").exists(), reason="WordNet is not installed (apt-get install wordnet-base)"
)


def words_of(sentence: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", sentence.lower())


@settings(deadline=None, max_examples=60)
@given(SEEDS)
def test_every_word_is_in_the_vocabulary(seed: int):
    source = TextSource(seed)
    for _ in range(10):
        sentence = source.sentence()
        words = r"[A-Z][A-Za-z']*(,? [A-Za-z']+)*[.?]"
        assert re.fullmatch(rf"{words}(?: {words})*", sentence)
        assert set(words_of(sentence)) <= vocabulary()
    assert lexicon().vocabulary < vocabulary()


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.floats(0, 1))
def test_every_token_has_its_own_row(seed: int, list_share: float):
    source = TextSource(seed, list_share, natural_share=0.5 * (1 - list_share) * NATURAL_TEXT)
    text = " ".join(source.sentence() for _ in range(5))
    # As a target is encoded, from its first word or from any other on, as a crop begins anywhere.
    first = random.Random(seed).randrange(len(text.split()))
    for part in (text, " ".join(text.split()[first:])):
        assert set(tokenizer().encode(" " + part)) <= set(used_tokens())


@given(SEEDS)
def test_a_seed_gives_the_same_sentences_again(seed: int):
    first, second = TextSource(seed), TextSource(seed)
    assert [first.sentence() for _ in range(3)] == [second.sentence() for _ in range(3)]


def test_different_seeds_give_different_sentences():
    firsts = {TextSource(seed).sentence() for seed in range(50)}
    assert len(firsts) > 45


@pytest.mark.parametrize(("list_share", "low", "high"), [(0.0, 0, 0), (0.3, 0.2, 0.4), (1.0, 1, 1)])
def test_lists_without_grammar_hold_no_homophones(list_share: float, low: float, high: float):
    lists = 0
    drawn: list[str] = []

    class Watched(TextSource):
        def _draw(self, name: str) -> str:
            drawn.append(name)
            return super()._draw(name)

    source = Watched(4, list_share)
    for _ in range(300):
        drawn.clear()
        sentence = source.sentence()
        if "any" in drawn:
            lists += 1
            assert not homophones() & set(words_of(sentence))
    assert low <= lists / 300 <= high


@pytest.mark.parametrize(("for_a_word", "low", "high"), [(0.0, 0, 0.03), (0.5, 0.2, 0.31), (1.0, 0.45, 0.55)])
def test_rare_words_are_drawn_as_often_as_common_ones(
    monkeypatch: pytest.MonkeyPatch, for_a_word: float, low: float, high: float
):
    """99 sentences of one word and one of another: 1 % of them as they come, a half when drawn for their word."""
    monkeypatch.setattr(recipe, "running_text", lambda: (("Common.",) * 99 + ("Rare.",),))
    monkeypatch.setattr(recipe, "natural_sentences", lambda: ("Common.",))
    monkeypatch.setattr(recipe, "sentences_with", recipe.sentences_with.__wrapped__)
    monkeypatch.setattr(recipe, "vocabulary", lambda: frozenset({"common", "rare"}))
    monkeypatch.setattr(recipe, "FOR_A_WORD_SHARE", for_a_word)
    monkeypatch.setattr(recipe, "FOR_A_HOMOPHONE_SHARE", 0.0)
    monkeypatch.setattr(recipe, "GOES_ON_SHARE", 0.0)
    source = TextSource(1, 0.0, natural_share=1.0)
    drawn = [source.sentence() for _ in range(2000)]
    assert low <= drawn.count("Rare.") / len(drawn) <= high


@needs_natural_text
@pytest.mark.parametrize("wanted", [vocabulary(), homophones()], ids=["every word", "homophones"])
def test_sentences_are_listed_by_their_words(wanted: frozenset[str]):
    lists = recipe.sentences_with(wanted)
    shared = [set.intersection(*(set(words_of(sentence)) for sentence in listed)) for listed in lists]
    assert all(words & wanted for words in shared)
    assert len(lists) > 0.99 * len(wanted)


def test_names_and_i_are_capitalised():
    text = " ".join(itertools.islice(iter(TextSource(3).sentence, None), 400))
    proper = set(lexicon().words["name"] + lexicon().words["proper"]) | {"i"}
    for word in re.findall(r"[A-Za-z]+", text):
        assert word[0].isupper() or word not in proper


def test_verb_forms_and_plurals():
    words = lexicon()
    vocabulary = words.vocabulary
    forms = {base: others for base, *others in words.verbs}
    assert forms["stop"] == ["stops", "stopped", "stopping"]
    assert forms["carry"] == ["carries", "carried", "carrying"]
    assert forms["teach"] == ["teaches", "taught", "teaching"]
    assert forms["see"] == ["sees", "saw", "seeing"]
    assert forms["make"] == ["makes", "made", "making"]
    assert forms["stay"] == ["stays", "stayed", "staying"]
    plurals = dict(words.nouns)
    assert [plurals[noun] for noun in ("city", "boy", "child", "box")] == ["cities", "boys", "children", "boxes"]
    assert all(re.fullmatch(r"[a-z]+", word) for word in vocabulary)
    assert {letter for word in vocabulary | natural.vocabulary() for letter in word} < set(LETTERS)
    assert all(grammar().values())


def test_the_compact_index_gives_each_used_token_its_row_and_all_others_the_last():
    rows, used = compact_index(), used_tokens()
    assert rows.shape == (N_VOCAB,)
    assert list(used) == sorted(set(used))
    assert rows[list(used)].tolist() == list(range(len(used)))
    unused = sorted(set(range(N_VOCAB)) - set(used))
    assert set(rows[unused].tolist()) == {len(used)}
    specials = tokenizer()
    assert {specials.sot, specials.eot, specials.no_timestamps} <= set(used)
    assert torch.equal(rows.unique(), torch.arange(len(used) + 1))
    # The table belongs to openai-whisper's English models.
    assert specials.encoding.n_vocab == N_VOCAB


def test_words_are_labelled_as_they_are_spelled_and_spoken():
    spelled = "".join(LETTERS[label - 1] for label in letters_of(["See", "the", "boy's", "sea?"]))
    assert spelled == "see the boy's sea"
    spoken = [phonemes()[label - 1] for label in phonemes_of(["See", "sea?", "thirty."])]
    assert spoken == ["s", "i:", "s", "i:", "T", "3:", "t#", "i"]
    assert phonemes_of([]) == letters_of([]) == []
    with pytest.raises(KeyError):
        phonemes_of(["zyzzyva"])


def test_the_vocabulary_is_wide_and_its_homophones_belong_to_it():
    assert len(vocabulary()) >= 5000
    assert all(re.fullmatch(r"[a-z]+(?:'[a-z]+)?", word) for word in vocabulary())
    groups = homophone_groups()
    assert all(len(group) > 1 for group in groups)
    assert set().union(*groups) <= vocabulary()
    pairs = ("sea see", "their there", "one won", "to too two", "weather whether")
    assert {frozenset(pair.split()) for pair in pairs} <= set(groups)


@needs_natural_text
@pytest.mark.parametrize(
    ("source", "least"),
    [
        (natural_sentences, 30_000),
        (quotations, 10_000),
        (treatise, 20_000),
        (stories, 4_000),
        (scripture, 30_000),
        (partial(commentary, COMMENTARIES / "tdavid"), 60_000),
        (partial(commentary, COMMENTARIES / "mhcc"), 20_000),
        (dictionary, 90_000),
    ],
)
def test_natural_sentences_are_written_as_whisper_writes(source: Callable[[], tuple[str, ...]], least: int):
    sentences = source()
    assert len(sentences) == len(set(sentences)) > least
    for sentence in sentences:
        assert re.fullmatch(r"[A-Z][A-Za-z']*(,? [A-Za-z']+)*[.?]", sentence), sentence
        assert set(words_of(sentence)) <= vocabulary()
    text = TextSource(1, natural_share=1.0)
    drawn = [text.sentence() for _ in range(200)]
    assert set(drawn) & set(sentences)
    assert set(drawn) <= set(natural_sentences()).union(*running_text())


@needs_wordnet
@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="eSpeak NG is not installed (apt-get install espeak-ng)")
def test_the_vocabulary_is_what_the_recipe_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    committed = (natural.HERE / "vocabulary.txt").read_text()
    monkeypatch.setattr(natural, "HERE", tmp_path)
    natural.main()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"vocabulary.txt": committed}


def test_without_wordnet_the_error_says_how_to_get_it(tmp_path: Path):
    with pytest.raises(InputError, match="apt-get install wordnet-base"):
        natural_sentences(tmp_path)


@pytest.mark.parametrize(
    ("source", "package"),
    [
        (quotations, "fortunes"),
        (treatise, "anarchism"),
        (stories, "endless-sky-data"),
        (scripture, "sword-text-web"),
        (lambda folder: commentary(folder / "mhcc"), "sword-comm-mhcc"),
        (dictionary, "dict-gcide"),
    ],
)
def test_without_a_text_the_error_says_how_to_get_it(
    tmp_path: Path, source: Callable[[Path], tuple[str, ...]], package: str
):
    with pytest.raises(InputError, match=f"apt-get install {package}$"):
        source(tmp_path)


def test_quotations_are_sentences_or_the_clauses_whose_words_are_known(tmp_path: Path):
    (tmp_path / "sayings").write_text(
        "I see the sea. We saw zyzz, and then it was late!\n\t\t-- The Captain of the Ship\n%\n"
        "She said\nshe would. WE SEE THE SEA. No.\n%\nWe met 3 times in all of the year.\n"
        "%\nThe well-known men of the sea: they were very late (we said so often) and old.\n"
    )
    for name in ("sayings.dat", "sayings.u8", "ethnic"):
        (tmp_path / name).write_text("This is not to be read.")
    assert quotations(tmp_path) == (
        "I see the sea.",
        "And then it was late.",
        "She said she would.",
        "They were very late.",
        "We said so often.",
    )


def test_pages_of_the_treatise_are_read_without_their_marks(tmp_path: Path):
    (tmp_path / "page.html").write_text(
        "<html><head><title>1 What we see here | Writers</title></head><body><h1>1 What is this for?</h1>\n"
        "<p>The <i>old</i> men &amp; the sea. They said &quot;we see the sea&quot;, and\nthen <a href='x.html'>it\n"
        "was</a> late.</p><ul><li>As we have said</li><li>It is so late.</li></ul></body></html>"
    )
    (tmp_path / "page.txt").write_text("This is not to be read.")
    assert treatise(tmp_path) == (
        "They said we see the sea, and then it was late.",
        "As we have said.",
        "It is so late.",
    )


def test_stories_are_what_is_told_and_not_what_steers_the_game(tmp_path: Path):
    (tmp_path / "missions.txt").write_text(
        "mission 'see the sea of ships'\n\tname `See the sea`\n"
        '\tconversation\n\t\t`\tYou see <first> at the sea. "We were late," he says. "Will you come with us?"`\n'
        "\t\tchoice\n\t\t\t`\t(Not right now.)`\n"
    )
    assert stories(tmp_path) == ("We were late, he says.", "Will you come with us?")


@pytest.mark.parametrize(("read", "by"), [(scripture, "b"), (commentary, "c")])  # blocks of books, or of chapters
def test_scripture_is_unpacked_and_read_without_its_marks_and_notes(
    tmp_path: Path, read: Callable[[Path], tuple[str, ...]], by: str
):
    books = (
        "<title>What we see here</title>",
        '<verse osisID="A.1"><w lemma="x">They</w> <w>said</w>, \u201c<w>We</w> see\n<q>the sea</q>.\u201d'
        "<note>This is not to be read.</note> It\u2019s late\u2014and we were there all day.</verse>",
        "<p>In the end, Zyzz, they were very late.</p>",
    )
    packed = [zlib.compress(book.encode()) + b"left over" for book in books]
    starts = [sum(map(len, packed[:n])) for n in range(3)]
    for testament, numbers in (("ot", (0, 1)), ("nt", (2,))):
        # An old and a new testament, each with all blocks in its file but not in its index.
        (tmp_path / f"{testament}.{by}zz").write_bytes(b"".join(packed))
        rows = [struct.pack("<III", starts[n], len(packed[n]), len(books[n].encode())) for n in numbers]
        (tmp_path / f"{testament}.{by}zs").write_bytes(b"".join(rows))
    assert set(read(tmp_path)) == {
        "They said, We see the sea.",
        "It's late, and we were there all day.",
        "They were very late.",
    }


def test_the_dictionary_is_read_without_its_other_languages(tmp_path: Path):
    entries = (
        b"Sea \\Sea\\, n. [Of the old word for sea.]\n   1. One of the large {bodies} of\n      water. --Shak.\n\n"
        b"   She said that she would see\n   the sea \x92 and the ships. We were there all day.\n\n   [1913 Webster]\n"
    )
    (tmp_path / "gcide.dict.dz").write_bytes(gzip.compress(entries))
    (tmp_path / "foldoc.dict.dz").write_bytes(gzip.compress(b"This is not to be read."))
    assert dictionary(tmp_path) == ("One of the large bodies of water.", "We were there all day.")


def test_examples_and_definitions_become_sentences(tmp_path: Path):
    lines = {
        "noun": '  1 licence | "see the sea"\n00000001 03 n 01 a 0 000 | a large body of water; "see the sea!"; "zyzz"',
        "verb": '00000002 29 v 01 b 0 000 | look at ; watch ; "who can see it ?"',
        "adj": '00000003 00 a 01 c 0 000 | (of water) blue; "i see blue"',
        "adv": "00000004 02 r 01 d 0 000 | in 3 ways",
    }
    for part, text in lines.items():
        (tmp_path / f"data.{part}").write_text(text + "\n")
    assert set(natural_sentences(tmp_path)) == {
        "A large body of water.",
        "See the sea.",
        "Look at, watch.",
        "Who can see it?",
        "I see blue.",
    }
