"""The names of patients as lists show them."""

import pytest

from paymentagg.domain.model import display_name


@pytest.mark.parametrize(
    ("first", "last", "middle", "name"),
    [
        ("Rick", "Deckard", None, "Deckard, Rick"),
        ("Rick", "Deckard", "A.", "Deckard, Rick A."),
        ("Eldon Jr.", "van Tyrell", "O'Brien Z", "van Tyrell, Eldon Jr. O'Brien Z"),
    ],
)
def test_a_display_name_begins_with_the_last_name(first: str, last: str, middle: str | None, name: str) -> None:
    assert display_name(first, last, middle) == name
