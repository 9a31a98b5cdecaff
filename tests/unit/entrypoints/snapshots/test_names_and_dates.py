"""Names and dates of birth: valid ones, and the codes of invalid ones."""

import json
from datetime import date
from typing import Any

import pytest

from builders import array, patient, patient_row
from unit.entrypoints.snapshots.reading import batches, patients, rejected


def test_length_counts_code_points() -> None:
    assert rejected(array(patient_row("5", lastName="\u0301" * 251))) == [(1, "5", "lastName", "too-long")]


@pytest.mark.parametrize("field", ["firstName", "lastName"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "missing"),
        ("", "blank"),
        (" \u00a0", "blank"),
        ("x" * 251, "too-long"),
        (5, "wrong-type"),
        ({}, "wrong-type"),
    ],
)
def test_a_name_that_breaks_a_rule_is_rejected(field: str, value: object, code: str) -> None:
    assert rejected(array(patient_row(), patient_row("7", **{field: value}))) == [(2, "7", field, code)]


@pytest.mark.parametrize("field", ["firstName", "lastName"])
def test_a_name_must_not_be_absent(field: str) -> None:
    row = patient_row("7")
    del row[field]
    assert rejected(array(row)) == [(1, "7", field, "missing")]


@pytest.mark.parametrize("other", ["Rick", "B\\R", "Zo\u00eb"])
@pytest.mark.parametrize("blank", [None, "", "  ", "\u2003"])
def test_a_blank_middle_name_is_none(blank: str | None, other: str) -> None:
    rows = [patient_row("5", middleName=blank), patient_row("6", middleName=other), patient_row("7")]
    assert [p.middle_name for p in patients(array(*rows))] == [None, other, None]


@pytest.mark.parametrize(("value", "code"), [("x" * 251, "too-long"), (5, "wrong-type"), ("a\x00", "invalid-text")])
def test_a_middle_name_that_breaks_a_rule_is_rejected(value: object, code: str) -> None:
    assert rejected(array(patient_row("7", middleName=value))) == [(1, "7", "middleName", code)]


@pytest.mark.parametrize("text", ["2094-02-01", "0001-01-01", "9999-12-31", "2024-02-29", None])
@pytest.mark.parametrize("other", [{}, {"externalId": " "}])
def test_a_date_of_birth_is_read_beside_good_and_bad_rows(text: str | None, other: dict[str, Any]) -> None:
    (batch,) = batches(array(patient_row("5", dateOfBirth=text), patient_row("6") | other))
    assert batch.records[0].date_of_birth == (text and date.fromisoformat(text))


def test_a_date_of_birth_may_be_absent() -> None:
    row = patient_row()
    del row["dateOfBirth"]
    assert patients(array(row)) == [patient(date_of_birth=None)]


@pytest.mark.parametrize(
    "text",
    [
        "0000-01-01",
        "10000-01-01",
        "2023-02-29",
        "1900-02-29",
        "20240229",
        "2024-W09-4",
        "2024-2-9",
        "2024",
        "2024-02-29T00:00Z",
        "2024-02-29T00:00:00Z",
        " 2024-02-29",
        "2024-02-29\n",
        "\u0662\u0660\u0662\u0664-\u0660\u0662-\u0662\u0669",
        "today",
        "infinity",
        "",
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_impossible_or_otherwise_written_date_is_rejected(text: str, ascii_only: bool) -> None:
    data = json.dumps([patient_row("5", dateOfBirth=text)], ensure_ascii=ascii_only).encode()
    assert rejected(data) == [(1, "5", "dateOfBirth", "invalid-date")]


@pytest.mark.parametrize("value", [20240229, True, [], {}])
def test_a_date_of_another_type_is_rejected(value: object) -> None:
    assert rejected(array(patient_row("5", dateOfBirth=value))) == [(1, "5", "dateOfBirth", "wrong-type")]
