"""The search for patients by parts of their names and ids: accents and case don't matter, nor does the order of words.

Texts are compared in their folded form. A patient matches if each word of the search is part of the patient's search
name, which has the names and the external id.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

MAX_SEARCH = 100
"""The longest search, in code points."""

_LETTERS = {"ø": "o", "đ": "d", "ħ": "h", "ı": "i", "ł": "l", "ŧ": "t", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}  # noqa: RUF001  they are meant
"""Letters that Unicode doesn't decompose, although people write them without their strokes."""


def folded(text: str) -> str:
    """Return the text without accents and case, in compatibility form: ``Ångström`` is ``angstrom``, ``ß`` is ``ss``.

    Folding a folded text changes nothing. An ASCII text is only put in lower case.
    """
    return text.lower() if text.isascii() else _folded(text)


@lru_cache(16_384)  # names recur
def _folded(text: str) -> str:
    # Folding case and decomposing can each produce what the other one changes.
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    letters = [_LETTERS.get(letter, letter) for letter in text if not unicodedata.combining(letter)]
    return "".join(letters).casefold()


def search_words(text: str) -> tuple[str, ...]:
    """Return the folded words of a search, the longest first, without those that are part of another one.

    The result is empty if there is nothing to look for, such as only spaces or accents.
    """
    words: list[str] = []
    for word in sorted(set(folded(text).split()), key=lambda word: (-len(word), word)):
        if not any(word in longer for longer in words):
            words.append(word)
    return tuple(words)


def search_name(external_id: str, first_name: str, last_name: str, middle_name: str | None) -> str:
    """Return the text in which a patient is searched for: the folded names and external id, separated by spaces."""
    names = (first_name, middle_name, last_name) if middle_name else (first_name, last_name)
    return " ".join(map(folded, (*names, external_id)))


def special_search_names(
    external_ids: Sequence[str],
    first_names: Sequence[str],
    last_names: Sequence[str],
    middle_names: Sequence[str | None],
) -> Sequence[str | None]:
    """Return the search names of many patients, given by column; None for those whose texts are ASCII.

    These are only in lower case, so the database can make them, and for the few rows that have changed.
    """
    given = filter(None, middle_names)
    if all("".join(column).isascii() for column in (external_ids, first_names, last_names, given)):
        return [None] * len(external_ids)
    return [
        None
        if external_id.isascii() and first.isascii() and last.isascii() and (middle is None or middle.isascii())
        else search_name(external_id, first, last, middle)
        for external_id, first, last, middle in zip(external_ids, first_names, last_names, middle_names, strict=True)
    ]
