"""The rules for one row: which rows are accepted, and with which code each bad one is rejected."""

from datetime import date
from typing import Any

import pytest

from builders import patient, patient_row, payment, payment_row
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.row_rules import Number, RowError, check_row

E_ACUTE = ("\u00e9", "e\u0301")  # composed and decomposed
CONTROLS = ["\x00", "a\x00b", "a\x07b", "a\tb", "a\x7fb", "a\x80b", "a\x9fb"]
NO_UNICODE = ["\ud800", "a\udfffb", "a\ufffe", "a\uffff", "a\ufdd0b", "a\U0001fffeb", "a\U0010ffff"]
NOT_STRINGS: list[object] = [Number("5"), True, False, [], {}]
ODD_BUT_GOOD = [
    "'; DROP TABLE patients;--",
    "%",
    "_",
    "\\",
    "\\t",
    "\\N",
    "\\.",
    '"',
    "<script>alert(1)</script>",
    "{{7*7}}",
    '=HYPERLINK("http://example.com")',
    "\U0001f600",
    "\u202eabc",
    "inner  space",
    "x" * 250,
    "\U0001f600" * 250,
]


def test_a_patient_is_read_from_a_row() -> None:
    row = patient_row("5", firstName="Rick", middleName="B", lastName="Deckard", dateOfBirth="2094-02-01")
    assert check_row(Model.PATIENT, row) == Patient("5", "Rick", "Deckard", "B", date(2094, 2, 1))


def test_a_payment_is_read_from_a_row() -> None:
    assert check_row(Model.PAYMENT, payment_row("501", "5", Number("4.46"))) == payment("501", "5", "4.46")


@pytest.mark.parametrize("model", list(Model))
@pytest.mark.parametrize("row", [None, "text", [], ["5"], 5, True, Number("5")])
def test_a_row_that_is_no_object_is_rejected(model: Model, row: object) -> None:
    error = error_of(model, row)
    assert (error.code, error.field, error.external_id) == ("not-an-object", None, None)


BAD_IDS = [
    (None, "missing"),
    *((value, "wrong-type") for value in (*NOT_STRINGS, ["5"])),
    *((value, "blank") for value in ("", " ", "\t\n", "\u00a0", "\u2003")),
    *((value, "untrimmed") for value in (" 5", "5 ", "5\n", "\n5", "\u00a05", "5\u3000")),
    *((value, "too-long") for value in ("5" * 251, "\u0301" * 251)),
    *((value, "invalid-text") for value in CONTROLS + NO_UNICODE),
]


@pytest.mark.parametrize(("external_id", "code"), BAD_IDS)
def test_an_external_id_that_breaks_a_rule_is_rejected_and_counts_as_unreadable(external_id: object, code: str) -> None:
    for model, row in ((Model.PATIENT, patient_row(external_id)), (Model.PAYMENT, payment_row(external_id))):
        error = error_of(model, row)
        assert (error.code, error.field, error.external_id) == (code, "externalId", None)


@pytest.mark.parametrize("model", list(Model))
def test_an_external_id_that_is_absent_is_missing(model: Model) -> None:
    error = error_of(model, {"firstName": "Rick"})
    assert (error.code, error.field, error.external_id) == ("missing", "externalId", None)


@pytest.mark.parametrize(("patient_id", "code"), BAD_IDS)
def test_a_patient_id_keeps_the_rules_for_ids(patient_id: object, code: str) -> None:
    error = error_of(Model.PAYMENT, payment_row("501", patient_id))
    assert (error.code, error.field, error.external_id) == (code, "patientId", "501")


@pytest.mark.parametrize("text", ODD_BUT_GOOD)
def test_odd_texts_are_taken_as_they_are(text: str) -> None:
    taken = check_row(Model.PATIENT, patient_row(text, firstName=text, lastName=text, middleName=text))
    assert taken == patient(text, first_name=text, last_name=text, middle_name=text)


@pytest.mark.parametrize(("one", "other"), [("a1", "A1"), ("05", "5"), E_ACUTE])
def test_ids_that_look_alike_stay_distinct(one: str, other: str) -> None:
    first, second = (check_row(Model.PATIENT, patient_row(external_id)) for external_id in (one, other))
    assert (first.external_id, second.external_id) == (one, other)
    assert first != second


@pytest.mark.parametrize("field", ["firstName", "lastName"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "missing"),
        *((value, "blank") for value in ("", " ", "\u00a0\t")),
        *((value, "too-long") for value in ("x" * 251, "\u0301" * 251)),
        *((value, "wrong-type") for value in NOT_STRINGS),
        *((value, "invalid-text") for value in CONTROLS + NO_UNICODE),
    ],
)
def test_a_name_that_breaks_a_rule_is_rejected(field: str, value: object, code: str) -> None:
    error = error_of(Model.PATIENT, patient_row("5", **{field: value}))
    assert (error.code, error.field, error.external_id) == (code, field, "5")


@pytest.mark.parametrize("field", ["firstName", "lastName"])
def test_a_name_that_is_absent_is_missing(field: str) -> None:
    error = error_of(Model.PATIENT, without(patient_row("5"), field))
    assert (error.code, error.field, error.external_id) == ("missing", field, "5")


def test_outer_space_of_a_name_is_kept() -> None:
    assert check_row(Model.PATIENT, patient_row("5", firstName=" Rick ")) == patient("5", first_name=" Rick ")


@pytest.mark.parametrize("middle_name", [None, "", " "])
def test_a_middle_name_without_letters_is_none(middle_name: str | None) -> None:
    assert check_row(Model.PATIENT, patient_row("5", middleName=middle_name)) == patient("5", middle_name=None)


def test_a_middle_name_that_is_absent_is_none() -> None:
    assert "middleName" not in patient_row("5")
    assert check_row(Model.PATIENT, patient_row("5")) == patient("5", middle_name=None)


@pytest.mark.parametrize(
    ("value", "code"),
    [("x" * 251, "too-long"), (Number("5"), "wrong-type"), (False, "wrong-type"), ("a\x00b", "invalid-text")],
)
def test_a_middle_name_that_breaks_a_rule_is_rejected(value: object, code: str) -> None:
    error = error_of(Model.PATIENT, patient_row("5", middleName=value))
    assert (error.code, error.field, error.external_id) == (code, "middleName", "5")


@pytest.mark.parametrize("text", ["2094-02-01", "0001-01-01", "9999-12-31", "2024-02-29", "2000-02-29"])
def test_any_date_of_the_calendar_is_a_birth(text: str) -> None:
    taken = check_row(Model.PATIENT, patient_row("5", dateOfBirth=text))
    assert taken == patient("5", date_of_birth=date.fromisoformat(text))


def test_a_birth_may_be_null_or_absent() -> None:
    unknown = patient("5", date_of_birth=None)
    assert check_row(Model.PATIENT, patient_row("5", dateOfBirth=None)) == unknown
    assert check_row(Model.PATIENT, without(patient_row("5"), "dateOfBirth")) == unknown


@pytest.mark.parametrize(
    "text",
    [
        *("0000-01-01", "10000-01-01", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-01-32"),
        *("20240229", "2024-W09-4", "2024-2-9", "2024", "2024-02-29T00:00Z", "2024-02-29 00:00", "24-02-29"),
        *(" 2024-02-29", "2024-02-29\n", "٢٠٢٤-٠٢-٢٩", "２０２４-02-29", "today", "infinity", "-infinity", ""),
    ],
)
def test_a_text_that_is_no_date_is_rejected(text: str) -> None:
    error = error_of(Model.PATIENT, patient_row("5", dateOfBirth=text))
    assert (error.code, error.field, error.external_id) == ("invalid-date", "dateOfBirth", "5")


@pytest.mark.parametrize("value", [Number("20240229"), True, False, [], {}])
def test_a_birth_of_another_type_is_rejected(value: object) -> None:
    error = error_of(Model.PATIENT, patient_row("5", dateOfBirth=value))
    assert (error.code, error.field, error.external_id) == ("wrong-type", "dateOfBirth", "5")


@pytest.mark.parametrize("kind", [str, Number])
@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(("4.46", "4.46"), ("7.10", "7.10"), ("7.100", "7.10"), ("1e2", "100.00"), ("0", "0.00")),
        *(("-0.0", "0.00"), ("-5.00", "-5.00"), ("9999999999.99", "9999999999.99")),
    ],
)
def test_an_amount_may_be_a_number_or_a_text(kind: type[str], text: str, amount: str) -> None:
    taken = check_row(Model.PAYMENT, payment_row(amount=kind(text)))
    assert isinstance(taken, Payment)
    assert str(taken.amount) == amount


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "missing"),
        *((value, "wrong-type") for value in NOT_STRINGS if not isinstance(value, Number)),
        *((Number(text), "too-many-decimals") for text in ("1.005", "0.001", "0.30000000000000004")),
        *((Number(text), "out-of-range") for text in ("10000000000", "1e400", "1e9999999999999999999", "9" * 5000)),
        *(
            (text, "invalid-amount")
            for text in ("NaN", "Infinity", "１２", "1_000", " 5 ", "+5", "5.", "1,000", "$5", "0x10", "")
        ),
    ],
)
def test_an_amount_that_breaks_a_rule_is_rejected(value: object, code: str) -> None:
    error = error_of(Model.PAYMENT, payment_row("501", amount=value))
    assert (error.code, error.field, error.external_id) == (code, "amount", "501")


@pytest.mark.parametrize("field", ["patientId", "amount"])
def test_a_field_of_a_payment_that_is_absent_is_missing(field: str) -> None:
    error = error_of(Model.PAYMENT, without(payment_row("501"), field))
    assert (error.code, error.field, error.external_id) == ("missing", field, "501")


@pytest.mark.parametrize("value", [None, Number("7"), "x", {"deep": [{"er": None}]}, [[]], "\ud800"])
@pytest.mark.parametrize("field", ["id", "created", "updated", "nickname", "EXTERNALID", "paymentTotal"])
def test_fields_that_are_not_the_models_are_ignored(field: str, value: object) -> None:
    assert check_row(Model.PATIENT, patient_row("5", **{field: value})) == patient("5")
    assert check_row(Model.PAYMENT, payment_row("501", **{field: value})) == payment("501")


def test_a_row_of_the_other_model_is_rejected() -> None:
    assert error_of(Model.PAYMENT, patient_row("5")).field == "patientId"
    assert error_of(Model.PATIENT, payment_row("501")).field == "firstName"


def test_a_broken_rule_of_the_external_id_is_reported_before_others() -> None:
    assert error_of(Model.PATIENT, patient_row("", firstName="", dateOfBirth="never")).field == "externalId"


@pytest.mark.parametrize(("external_id", "code"), [case for case in BAD_IDS if type(case[0]) is str])
def test_an_id_that_is_text_breaks_the_rule_of_its_code(external_id: str, code: str) -> None:
    with pytest.raises(RowError) as caught:
        check_row(Model.PATIENT, patient_row(external_id))
    assert (caught.value.code, caught.value.field) == (code, "externalId")


@pytest.mark.parametrize("external_id", ODD_BUT_GOOD)
def test_an_odd_id_that_is_good_is_kept_as_it_is(external_id: str) -> None:
    assert check_row(Model.PATIENT, patient_row(external_id)).external_id == external_id


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (None, None),
        ("", ""),
        (" 5", " 5"),
        ("a\x00b", "a\\u0000b"),
        ("\ud800", "\\ud800"),
        ("5" * 251, "5" * 99 + "…"),
        (Number("5"), "5"),
        (Number("1" * 1000), "1" * 99 + "…"),
        (True, "true"),
        ([], "[]"),
        ({}, "{}"),
        ([None, Number("1.50"), "é", {"a": [False]}], '[null,1.50,"é",{"a":[false]}]'),
        ({"a": "b\n", "c": {"d": Number("1")}}, '{"a":"b\\n","c":{"d":1}}'),
        (["x" * 1000], '["' + "x" * 97 + "…"),
    ],
)
def test_the_value_of_a_field_is_what_was_sent(sent: object, value: str | None) -> None:
    assert error_of(Model.PATIENT, patient_row(sent)).value == value
    assert error_of(Model.PAYMENT, payment_row(patient_id=sent)).value == value


@pytest.mark.parametrize(
    ("row", "value"), [(None, "null"), ("text", '"text"'), (Number("5"), "5"), (["5", Number("5")], '["5",5]')]
)
def test_the_value_of_a_row_that_is_no_object_is_its_json(row: object, value: str) -> None:
    assert error_of(Model.PATIENT, row).value == value


def test_the_value_of_a_row_that_is_deeply_nested_is_clipped_before_the_stack_is_exhausted() -> None:
    row: list[Any] = []
    for _ in range(100_000):
        row = [row]
    assert error_of(Model.PATIENT, row).value == "[" * 99 + "…"


def error_of(model: Model, row: object) -> RowError:
    with pytest.raises(RowError) as caught:
        check_row(model, row)
    return caught.value


def without(row: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != field}
