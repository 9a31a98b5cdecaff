import pytest

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import DeletionRefused
from paymentagg.domain.model import Model


@pytest.mark.parametrize(
    ("text", "allowed"), [("0", 0), ("3000", 3000), ("0%", 0), ("20%", 200), ("12.5%", 125), ("100%", 1000)]
)
def test_a_limit_is_a_count_or_a_share_of_what_is_stored(text: str, allowed: int) -> None:
    assert DeletionLimit.parse(text).allowed(1000) == allowed


def test_a_share_is_rounded_down_to_whole_rows() -> None:
    assert DeletionLimit.parse("20%").allowed(9) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "1_000",
        "50.%",
        "5 %",
        " 5",
        "5\n",
        "100.0001%",
        "101%",
        "٣",
        "all",
        "NaN",
        "1" * 13,
    ],
)
def test_anything_else_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="a count such as 3000 or a percentage such as 50%"):
        DeletionLimit.parse(text)


@pytest.mark.parametrize(("stored", "allowed"), [(0, 100), (99, 100), (500, 100), (505, 101), (1000, 200)])
def test_as_many_rows_as_the_floor_are_always_allowed(stored: int, allowed: int) -> None:
    assert DeletionLimit.parse("20%", floor=100).allowed(stored) == allowed


def test_exactly_the_limit_may_be_deleted() -> None:
    DeletionLimit.parse("20%").check(Model.PATIENT, stored=1000, would_delete=200)


def test_one_row_more_than_the_limit_is_refused() -> None:
    with pytest.raises(DeletionRefused) as caught:
        DeletionLimit.parse("20%").check(Model.PAYMENT, stored=1000, would_delete=201)
    error = caught.value
    assert (error.model, error.stored, error.would_delete, error.limit) == (Model.PAYMENT, 1000, 201, 200)


def test_the_refusal_says_how_many_and_what_to_do() -> None:
    error = DeletionRefused(Model.PAYMENT, stored=1000, would_delete=201, limit=200)
    assert str(error) == (
        "this sync would delete 201 of 1000 stored payments, more than the limit of 200; "
        "if the snapshot is right, repeat the sync with a higher max delete"
    )
