"""Names of practices."""

import pytest

from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.practices import checked_name, is_name


@pytest.mark.parametrize(
    "name", ["a", "north", "practice_12", "select", "user", "x" * 31, "p_g", "citadel", "publicity"]
)
def test_a_name_is_a_letter_then_letters_digits_and_underscores(name: str) -> None:
    assert is_name(name)
    assert checked_name("NAME", name) == name


@pytest.mark.parametrize(
    "name", ["", "North", "1st", "_a", "a-b", "a.b", "a b", 'a"b', "é", "a\n", "\na", "x" * 32, "a/b", "a;b"]
)
def test_anything_else_is_no_name_and_the_error_says_what_is_one(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(InvalidParameter, match=r"^NAME: must be the name of a practice: 1 to 31 of a-z, 0-9 and _"):
        checked_name("NAME", name)


@pytest.mark.parametrize(
    "name", ["public", "information_schema", "pg_catalog", "pg_x", "citus", "citus_internal", "columnar"]
)
def test_schemas_of_postgresql_and_citus_are_no_practices(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(InvalidParameter, match=f"^NAME: must not be {name}: .*; choose another one"):
        checked_name("NAME", name)
