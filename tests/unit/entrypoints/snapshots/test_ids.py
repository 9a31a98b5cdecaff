"""External ids: valid ones are kept as they are; the codes of invalid ones."""

import io
import json

import pytest

from builders import array, patient, patient_row, payment, payment_row
from paymentagg.entrypoints.snapshots.byte_stream import Reading
from paymentagg.entrypoints.snapshots.reader import read_payments
from unit.entrypoints.snapshots.reading import PLENTY, patients, payment_rejected, rejected

BAD_IDS: list[tuple[object, str]] = [
    (None, "missing"),
    (5, "wrong-type"),
    (5.0, "wrong-type"),
    (True, "wrong-type"),
    ({}, "wrong-type"),
    ([], "wrong-type"),
    ("", "blank"),
    ("  ", "blank"),
    ("\u2003", "blank"),
    (" 5", "untrimmed"),
    ("5\n", "untrimmed"),
    ("\u00a05", "untrimmed"),
    ("5" * 251, "too-long"),
    ("\ud800", "invalid-text"),
    ("5\x00", "invalid-text"),
    ("a\x1bb", "invalid-text"),
    ("a\x7fb", "invalid-text"),
    ("a\x9fb", "invalid-text"),
    ("\ufffe", "invalid-text"),
    ("\U0010ffff", "invalid-text"),
]


@pytest.mark.parametrize(("external_id", "code"), BAD_IDS)
def test_an_external_id_that_breaks_a_rule_is_rejected(external_id: object, code: str) -> None:
    assert rejected(array(patient_row(external_id), patient_row("7"))) == [(1, None, "externalId", code)]
    assert payment_rejected(array(payment_row(external_id))) == [(1, None, "externalId", code)]


@pytest.mark.parametrize(("patient_id", "code"), BAD_IDS)
def test_a_patient_id_that_breaks_a_rule_is_rejected(patient_id: object, code: str) -> None:
    assert payment_rejected(array(payment_row("501", patient_id))) == [(1, "501", "patientId", code)]


@pytest.mark.parametrize(
    "character", ["\x7f", "\x80", "\x9f", "\ufdd0", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff"]
)
def test_an_unescaped_invalid_character_is_found_too(character: str) -> None:
    rows = json.dumps([patient_row("5"), patient_row("6", firstName=f"a{character}b")], ensure_ascii=False)
    assert rejected(rows.encode()) == [(2, "6", "firstName", "invalid-text")]
    rows = json.dumps([payment_row("5", f"a{character}b")], ensure_ascii=False)
    assert payment_rejected(rows.encode()) == [(1, "5", "patientId", "invalid-text")]


@pytest.mark.parametrize(
    "ids",
    [
        ("a1", "A1"),
        ("\u00e9", "e\u0301"),
        ("05", "5"),
        (
            "'; DROP TABLE patients;--",
            "%",
            "_",
            "\\",
            "a\\tb",
            "\\N",
            "<script>",
            "{{7*7}}",
            '=HYPERLINK("x")',
        ),
        ("\U0001f600", "a\u202eb", "e" + "\u0301" * 249, "\U0001f600" * 250),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_unusual_ids_are_kept_as_they_are(ids: tuple[str, ...], ascii_only: bool) -> None:
    data = json.dumps([patient_row(external_id, firstName=external_id) for external_id in ids], ensure_ascii=ascii_only)
    assert patients(data.encode()) == [patient(external_id, first_name=external_id) for external_id in ids]
    data = json.dumps([payment_row(external_id, external_id) for external_id in ids], ensure_ascii=ascii_only)
    read = list(read_payments(io.BytesIO(data.encode()), Reading(PLENTY)))
    assert [record for batch in read for record in batch.records] == [payment(each, each) for each in ids]
    assert not any(batch.rejections for batch in read)
