"""The fast path reads usual rows, and what it reads is what the rules say row by row."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from paymentagg.domain.batches import Batch
from paymentagg.domain.model import Model, Payment
from paymentagg.domain.row_rules import Number
from paymentagg.entrypoints.snapshots.row_reader import RowReader, patient_rows, payment_rows

READERS: dict[Model, Any] = {Model.PATIENT: patient_rows, Model.PAYMENT: payment_rows}


def slowly(reader: RowReader[Any], rows: str) -> Batch[Any]:
    """Return the rows of a JSON array, checked one by one."""
    for row in json.loads(f"[{rows}]", parse_int=Number, parse_float=Number):
        reader.add(row)
    batch = reader.take_batch()
    assert batch is not None
    return batch


def fast(model: Model, rows: str) -> Batch[Any] | None:
    """Return the rows of a JSON array if the fast path takes them all."""
    data = rows.encode("utf-8", "surrogatepass")
    taken = READERS[model]().fast_rows(data, 0, len(data))
    if taken is None:
        return None
    assert taken[1] == len(data)
    batch: Batch[Any] = taken[0]
    return batch


def assert_equal_if_fast(model: Model, rows: str) -> None:
    """Check that the fast path refuses the rows or reads what the rules say."""
    taken = fast(model, rows)
    if taken is not None:
        expected = slowly(READERS[model](), rows)
        assert expected.rejections == taken.rejections == []
        assert (list(taken.numbers), taken.records) == (list(expected.numbers), expected.records)
        assert [str(row) for row in taken.records] == [str(row) for row in expected.records]  # 7.1 equals 7.10


def payments(*amounts: str) -> str:
    """Return payments with these amounts, which are JSON, in JSON."""
    return ", ".join(f'{{"externalId": "{n}", "patientId": "5", "amount": {a}}}' for n, a in enumerate(amounts))


digits = st.text("0123456789", min_size=1, max_size=12)
written_amounts = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "-", "+"]),
    digits | digits.map(lambda text: text.lstrip("0") or "0"),
    st.one_of(st.just(""), st.text("0123456789", max_size=4).map(".{}".format)),
    st.sampled_from(["", "", "", "", "e1", "E-2", "e+0", ",2", " ", "x"]),
)
usual_amounts = st.builds(
    lambda sign, cents, form: sign + form.format(cents // 100, f"{cents % 100:02}", cents % 100 // 10),
    st.sampled_from(["", "-"]),
    st.integers(0, 10**12 - 1),
    st.sampled_from(["{0}", "{0}.{1}", "{0}.{2}"]),
)


def is_json(amount: str) -> bool:
    """Return whether the text is one JSON value."""
    try:
        json.loads(amount)
    except ValueError:
        return False
    return True


odd_values = st.sampled_from(['"1,2"', '"', '"\\u0031"', "null", "true", "[1,2]", '{"amount": 5}', '""', '"1","2"'])
amounts = st.one_of(
    usual_amounts, usual_amounts.map('"{}"'.format), written_amounts, written_amounts.map('"{}"'.format)
)


@example(["1", '"1,2"'])
@example(["-0", "-0.0", "-0.00", "0.5", "-0.5", "-0.05", '"-0"'])
@example(["9999999999.99", "9999999999.9", "9999999999", "10000000000"])
@example(["7.10", "7.100"])
@given(
    st.lists(amounts | odd_values, min_size=1, max_size=6).map(lambda found: [a for a in found if is_json(a)] or ["0"])
)
def test_amounts_are_read_as_the_rules_say(found: list[str]) -> None:
    assert_equal_if_fast(Model.PAYMENT, payments(*found))


@given(st.lists(usual_amounts | usual_amounts.map('"{}"'.format), min_size=1, max_size=6))
def test_usual_amounts_take_the_fast_path(found: list[str]) -> None:
    taken = fast(Model.PAYMENT, payments(*found))
    assert taken is not None
    assert taken.records == [
        Payment(str(number), "5", Decimal(amount.strip('"'))) for number, amount in enumerate(found)
    ]


texts = st.one_of(
    st.sampled_from(
        ["5", "é", "a b", " 5", "5 ", "\u00a0", "", " ", "\\", '"', "\x7f", "\x85", "\ufffe", "\u200d", "\t"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)
real_dates = st.none() | st.dates().map(str)
dates = real_dates | st.sampled_from(["0000-01-01", "2023-02-29", "20240229", "2024-W01-1", ""])


@given(
    st.lists(
        st.fixed_dictionaries(
            {"externalId": texts, "firstName": st.just("Rick") | texts, "lastName": st.just("Deckard") | texts},
            optional={"middleName": st.none() | texts, "dateOfBirth": dates, "patientId": texts},
        ),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_patients_are_read_as_the_rules_say(rows: list[dict[str, Any]], ascii_only: bool) -> None:
    assert_equal_if_fast(Model.PATIENT, json.dumps(rows, ensure_ascii=ascii_only)[1:-1])


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4), st.booleans())
def test_ids_of_payments_are_read_as_the_rules_say(ids: list[tuple[str, str]], ascii_only: bool) -> None:
    rows = [{"externalId": one, "patientId": other, "amount": 5} for one, other in ids]
    assert_equal_if_fast(Model.PAYMENT, json.dumps(rows, ensure_ascii=ascii_only)[1:-1])


@given(st.lists(st.sampled_from(["5", "é", "Zoë", "\\", '"', "\u200d"]), min_size=1, max_size=4), real_dates)
def test_usual_patients_take_the_fast_path(names: list[str], born: str | None) -> None:
    rows = [
        {"externalId": str(n), "firstName": name, "lastName": name, "dateOfBirth": born} for n, name in enumerate(names)
    ]
    taken = fast(Model.PATIENT, json.dumps(rows)[1:-1])
    assert taken is not None
    assert taken.records == slowly(patient_rows(), json.dumps(rows)[1:-1]).records
