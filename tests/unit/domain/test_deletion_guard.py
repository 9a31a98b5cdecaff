import pytest

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import DeletionRefused, Loss
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
    DeletionLimit.parse("20%").check(Loss(Model.PATIENT, stored=1000, would_delete=200))


def test_one_row_more_than_the_limit_is_refused() -> None:
    with pytest.raises(DeletionRefused) as caught:
        DeletionLimit.parse("20%").check(Loss(Model.PAYMENT, stored=1000, would_delete=201))
    error = caught.value
    assert (error.model, error.stored, error.would_delete, error.limit) == (Model.PAYMENT, 1000, 201, 200)


@pytest.mark.parametrize(
    ("limit", "stored", "words"),
    [
        ("20%", 1_000_000, "957,080 of 1,000,000 payments would be deleted, and at most 200,000 payments (20%) may be"),
        ("20%", 957_080, "957,080 of 957,080 payments would be deleted, and at most 191,416 payments (20%) may be"),
        ("3000", 1_000_000, "957,080 of 1,000,000 payments would be deleted, and at most 3,000 payments may be"),
    ],
)
def test_the_refusal_says_how_many_rows_and_what_was_allowed(limit: str, stored: int, words: str) -> None:
    with pytest.raises(DeletionRefused) as caught:
        DeletionLimit.parse(limit, floor=100).check(Loss(Model.PAYMENT, stored, 957_080))
    assert (str(caught.value), caught.value.needed) == (words, 957_080)


def test_the_refusal_names_the_floor_where_that_is_what_was_allowed() -> None:
    with pytest.raises(DeletionRefused, match=r"and at most 100 payments may be$"):
        DeletionLimit.parse("20%", floor=100).check(Loss(Model.PAYMENT, 300, 200))


@pytest.mark.parametrize(("patients", "payments", "model"), [(50, 800, "patient"), (20, 800, "payment")])
def test_the_refusal_names_what_both_models_would_lose_and_the_count_that_allows_it(
    patients: int, payments: int, model: str
) -> None:
    losses = Loss(Model.PATIENT, 100, patients), Loss(Model.PAYMENT, 1000, payments)
    with pytest.raises(DeletionRefused, match=f"^{patients} of 100 patients and 800 of 1,000 payments") as caught:
        DeletionLimit.parse("20%").check(*losses)
    assert caught.value.model == model
    DeletionLimit.parse(f"{caught.value.needed}").check(*losses)
