"""The folding of texts, and the words of a search."""

import sys

import pytest

from paymentagg.domain.search import folded, search_name, search_words, special_search_names


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Deckard", "deckard"),
        ("ÅNGSTRÖM", "angstrom"),
        ("A\u030angstro\u0308m", "angstrom"),
        ("Straße", "strasse"),
        ("ŁÓDŹ", "lodz"),
        ("Søren Ærø", "soren aero"),
        ("İstanbul", "istanbul"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("ﬁn Ⅷ", "fin viii"),
        ("\uff32\uff4f\uff59", "roy"),
        ("\u5f20\u4f1f", "\u5f20\u4f1f"),
    ],
)
def test_accents_case_and_compatibility_forms_do_not_matter(text: str, result: str) -> None:
    assert folded(text) == result


def test_folding_twice_is_folding_once_and_ignores_case_for_every_character() -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    assert [each for each in characters if folded(folded(each)) != folded(each)] == []
    assert [each for each in characters if folded(each.upper()) != folded(each.lower())] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        (" \u00a0\u3000", ()),
        ("\u0301", ()),
        ("Rick", ("rick",)),
        ("rick  DECKARD rick", ("deckard", "rick")),
        ("ric rick ick", ("rick",)),
        ("b a", ("a", "b")),
    ],
)
def test_the_words_of_a_search_are_folded_and_each_is_looked_for_once(text: str, words: tuple[str, ...]) -> None:
    assert search_words(text) == words


def test_a_search_name_has_the_names_in_their_order_and_the_id() -> None:
    assert search_name("A-5", "Rick", "Müller", None) == "rick muller a-5"
    assert search_name("5", "Rick", "Müller", "O") == "rick o muller 5"


def test_of_many_patients_only_those_whose_texts_are_not_ascii_have_a_search_name() -> None:
    assert special_search_names(["1", "2"], ["A", "B"], ["C", "D"], [None, "E"]) == [None, None]
    names = special_search_names(
        ["1", "2", "3", "4", "é"], ["A", "É", "A", "A", "A"], ["C"] * 5, [None, None, "é", "e", "e"]
    )
    assert names == [None, "e c 2", "a e c 3", None, "a e c e"]
