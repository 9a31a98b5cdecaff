"""The search on both engines finds what a search in Python finds, whatever the names are."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paymentagg.domain.model import Patient
from paymentagg.domain.queries import PatientQuery
from paymentagg.domain.search import folded, search_words
from paymentagg.domain.text import INVALID_TEXT
from practice import Practice
from stores import SqlStore

letters = st.one_of(
    st.sampled_from("abAB éÉäßøŁ%_\\'\"-\u0301\u00a0ﬁ"), st.characters(exclude_categories=["Cs", "Cc", "Cn"])
)
names = st.text(letters, min_size=1, max_size=6).filter(
    lambda text: bool(text.strip()) and not INVALID_TEXT.search(text)
)
people = st.lists(st.tuples(names, names, st.none() | names), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def store(shared_database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(shared_database_url)
    yield store
    store.close()


@settings(max_examples=60)
@given(people=people, texts=st.lists(names, min_size=1, max_size=8))
def test_a_search_finds_the_patients_in_whose_names_and_id_each_word_is(
    store: SqlStore, people: list[tuple[str, str, str | None]], texts: list[str]
) -> None:
    practice = Practice(store)
    rows = [Patient(f"Id-{n}", first, last, middle) for n, (first, last, middle) in enumerate(people)]
    practice.sync(patients=rows)
    texts += [f"{row.last_name[:2]} {row.first_name[-2:]}" for row in rows]
    for text in texts:
        words = folded(text).split()
        expected = [
            row.external_id
            for row in rows
            if all(
                word in folded(f"{row.first_name} {row.middle_name or ''} {row.last_name} {row.external_id}")
                for word in words
            )
        ]
        found = practice.found(PatientQuery(words=search_words(text)))[0]
        assert sorted(found) == expected
