from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from paymentagg.entrypoints.pages import wording

NOW = datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
THIN = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.00", "0.00"),
        ("52301220.10", f"52{THIN}301{THIN}220.10"),
        ("-3220.00", f"{MINUS}3{THIN}220.00"),
        ("9999999999999999.99", f"9{THIN}999{THIN}999{THIN}999{THIN}999{THIN}999.99"),
    ],
)
def test_an_amount_is_written_exactly_in_groups_of_thousands(value: str, text: str) -> None:
    assert wording.amount(Decimal(value)) == text


def test_what_is_not_known_is_a_dash() -> None:
    assert (wording.amount(None), wording.count(None), wording.day(None)) == ("–", "–", "–")


def test_counts_have_groups_and_nouns_their_plural() -> None:
    assert wording.count(34_855) == f"34{THIN}855"
    assert [wording.counted(number, "patient") for number in (0, 1, 2)] == ["0 patients", "1 patient", "2 patients"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (32_400, "9 h ago"),
        (172_799, "1 d ago"),
    ],
)
def test_an_age_is_given_in_its_largest_unit(seconds: int, text: str) -> None:
    assert wording.ago(NOW - timedelta(seconds=seconds), NOW) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOW.replace(hour=6, minute=0), "today 06:00"),
        (NOW - timedelta(days=1), "yesterday 15:30"),
        (NOW - timedelta(days=2), "28 Nov 15:30"),
        (NOW.replace(year=2025), "30 Nov 2025 15:30"),
    ],
)
def test_a_time_names_its_day(at: datetime, text: str) -> None:
    assert wording.clock(at, NOW) == text


def test_a_message_becomes_a_sentence() -> None:
    assert wording.sentence("another sync is running") == "Another sync is running."
    assert wording.sentence("Nothing was changed.") == "Nothing was changed."


def test_dates_far_away_stay_dates() -> None:
    assert wording.day(date(2094, 2, 1)) == "2094-02-01"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3072.0 GiB")]
)
def test_a_size_is_given_in_its_largest_unit(number: int, text: str) -> None:
    assert wording.size(number) == text
