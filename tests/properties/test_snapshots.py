"""A snapshot reads the same however its bytes are split, and the fast path reads what the row rules say."""

import gzip
import io
import json
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from paymentagg.domain.changes import Rejection
from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.row_rules import Number, RowError, check_row
from paymentagg.entrypoints.snapshots.byte_stream import Form, Reading
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments

Outcome = list[tuple[int, Patient | Payment | Rejection]] | tuple[str, int | None, int | None]


class ShortReads:
    """A stream whose reads return at most so many bytes; the sizes repeat."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        self._stream = io.BytesIO(data)
        self._sizes = sizes
        self._reads = 0

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, often fewer."""
        self._reads += 1
        return self._stream.read(min(size, self._sizes[self._reads % len(self._sizes)]))


def outcome(model: Model, data: bytes, sizes: Sequence[int] = (1 << 30,), **options: Any) -> Outcome:
    """Return the rows in the order of their numbers, or the message, offset and row of the refusal."""
    read = read_patients if model is Model.PATIENT else read_payments
    rows: list[tuple[int, Patient | Payment | Rejection]] = []
    try:
        for batch in read(ShortReads(data, sizes), Reading(1 << 30, **options)):
            numbers = batch.numbers
            consecutive = range(numbers[0], numbers[0] + len(numbers)) if numbers else range(0)
            assert batch.rejections or isinstance(numbers, range) or list(numbers) != list(consecutive)
            rows += zip(batch.numbers, batch.records, strict=True)
            rows += ((rejection.row, rejection) for rejection in batch.rejections)
    except InvalidSnapshot as refused:
        return str(refused), refused.offset, refused.row
    rows.sort(key=lambda row: row[0])
    assert len({number for number, _ in rows}) == len(rows)
    return rows


def spaced(rows: Outcome, lines: int) -> Outcome:
    """Return the rows of an array with their numbers in NDJSON, if each ends with so many line ends."""
    assert isinstance(rows, list)
    return [
        (line, msgspec.structs.replace(row, row=line) if isinstance(row, Rejection) else row)
        for line, row in ((1 + lines * (number - 1), row) for number, row in rows)
    ]


def by_the_rules(model: Model, text: str) -> Outcome:
    """Return the expected outcome of a JSON array: parsed by Python's parser, checked row by row."""

    def one(number: int, row: object) -> Patient | Payment | Rejection:
        try:
            return check_row(model, row)
        except RowError as error:
            return Rejection.of(model, number, error.external_id, error.field, error.code, error.value)

    rows = json.loads(text, parse_int=Number, parse_float=Number)
    return [(number, one(number, row)) for number, row in enumerate(rows, start=1)]


models = st.sampled_from(Model)
chunks = st.sampled_from([1, 2, 3, 7, 50, 1000, 256 * 1024])
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=5)

texts = st.one_of(
    st.sampled_from(
        ["", " ", "5", "05", " 5", "5\n", "\u00a0", "Zo\u00eb", "\\", '"', "}", "},{", "]", "x" * 250, "x" * 251]
    ),
    st.sampled_from(
        ["a\x7fb", "\x85", "\ufffe", "\U0010ffff", "\ufdd0", "\ud800", "\x00", "\u200d", "-0", "NaN", "1_0"]
    ),
    st.sampled_from(["2024-02-29", "2023-02-29", "4.46", "-0.00", "1e2", "5.", "+5", "\u0661", "1e-3", "99999999999"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
numbers = st.sampled_from(
    ["4.46", "-0.0", "7.100", "1e2", "-0", "1.005", "1e400", "1e-99999999999999999999", "5", "12345678901"]
)


class Literal:
    """A value with its JSON text, for numbers whose spelling matters."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def written(value: object, *, ascii_only: bool, gap: str) -> str:
    """Return a value as JSON, with ``gap`` wherever white space is allowed."""
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, dict):
        pairs = [(json.dumps(key), written(item, ascii_only=ascii_only, gap=gap)) for key, item in value.items()]
        return "{" + gap + f"{gap},{gap}".join(f"{key}{gap}:{gap}{item}" for key, item in pairs) + gap + "}"
    if isinstance(value, list):
        items = [written(item, ascii_only=ascii_only, gap=gap) for item in value]
        return "[" + gap + f"{gap},{gap}".join(items) + gap + "]"
    lone = isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)
    return json.dumps(value, ensure_ascii=ascii_only or lone)


literals = numbers.map(Literal)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), texts, literals),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["amount", "externalId", "x"]), inner, max_size=2)
    ),
    max_leaves=3,
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for good values, and any value in one case of four."""
    return st.one_of(good, good, good, anything)


names = mostly(st.sampled_from(["Rick", "Zo\u00eb", "B\\R", "de la"]))
ids = mostly(st.sampled_from(["5", "6", "501", "\u00e9", "-0"]))
patient_rows = st.fixed_dictionaries(
    {"externalId": ids, "firstName": names, "lastName": names},
    optional={
        "middleName": mostly(st.sampled_from([None, "", " ", "J."])),
        "dateOfBirth": mostly(st.sampled_from([None, "2094-02-01", "0001-01-01"])),
        "note": anything,
    },
)
payment_rows = st.fixed_dictionaries(
    {
        "externalId": ids,
        "patientId": ids,
        "amount": mostly(st.one_of(literals, st.just("4.46"), st.just(Literal("4.46")))),
    },
    optional={"note": anything},
)
rows = st.lists(st.one_of(patient_rows, payment_rows, patient_rows, payment_rows, anything), max_size=6)
plain_rows = st.one_of(st.lists(patient_rows, max_size=6), st.lists(payment_rows, max_size=6))
all_rows = st.one_of(rows, plain_rows)
gaps = st.sampled_from(["", "", " ", "\n  ", "\r\n\t"])


@given(models, all_rows, st.booleans(), gaps, chunks)
def test_the_rows_of_an_array_are_what_the_rules_say(
    model: Model, rows: list[object], ascii_only: bool, gap: str, chunk_bytes: int
) -> None:
    text = written(rows, ascii_only=ascii_only, gap=gap)
    assert outcome(model, text.encode(), chunk_bytes=chunk_bytes) == by_the_rules(model, text)


@given(models, all_rows, st.booleans(), chunks, st.sampled_from(["\n", "\r\n", "\n\n", " \n\t\n"]), st.booleans())
def test_array_lines_and_gzip_of_the_same_rows_read_the_same(
    model: Model, rows: list[object], ascii_only: bool, chunk_bytes: int, line_end: str, ended: bool
) -> None:
    rows = [row for row in rows if not isinstance(row, list)]
    array = written(rows, ascii_only=ascii_only, gap=" ").encode()
    lines = line_end.join(written(row, ascii_only=ascii_only, gap=" ") for row in rows).encode() + b"\n" * ended
    expected = outcome(model, array, form=Form.ARRAY)
    assert outcome(model, gzip.compress(array), chunk_bytes=chunk_bytes) == expected
    if rows:
        in_lines = spaced(expected, line_end.count("\n"))
        assert outcome(model, lines, form=Form.NDJSON, chunk_bytes=chunk_bytes) == in_lines
        assert outcome(model, gzip.compress(lines), form=Form.NDJSON, gzipped=True) == in_lines


def damaged(data: bytes, where: float, how: tuple[int, bytes]) -> bytes:
    """Return the data with some bytes at a relative position (0 to 1) replaced; ``how``: how many, and by what."""
    position = int(where * len(data))
    size, replacement = how
    return data[:position] + replacement + data[position + size :]


scraps = st.one_of(
    st.sampled_from([b"", b",", b"]", b"[", b"{", b"}", b'"', b":", b" ", b"\n", b"}\n{", b"},{", b"NaN", b"null"]),
    st.sampled_from([b"x", b"1", b".", b"e", b"-", b"\\", b"\\u12", b"\\ud800", b"\x00", b"\x7f"]),
    st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98"]),
)
damages = st.lists(st.tuples(st.floats(0, 1), st.tuples(st.integers(0, 3), scraps)), max_size=2)


@example(Model.PATIENT, [True], "", False, None, [(0.99, (0, b"\xed\xa0\x80"))], 1, [1])
@given(models, all_rows, gaps, st.booleans(), st.sampled_from([None, *Form]), damages, chunks, sizes)
def test_any_bytes_read_the_same_however_they_are_cut(
    model: Model,
    rows: list[object],
    gap: str,
    lines: bool,
    form: Form | None,
    damages: list[tuple[float, tuple[int, bytes]]],
    chunk_bytes: int,
    sizes: list[int],
) -> None:
    if lines:
        data = "\n".join(written(row, ascii_only=False, gap=" ") for row in rows).encode()
    else:
        data = written(rows, ascii_only=False, gap=gap).encode()
    for where, how in damages:
        data = damaged(data, where, how)
    assert outcome(model, data, sizes, form=form, chunk_bytes=chunk_bytes) == outcome(model, data, form=form)


@given(models, all_rows, gaps, damages, chunks)
def test_an_array_is_read_exactly_when_it_is_json_in_utf_8(
    model: Model, rows: list[object], gap: str, damages: list[tuple[float, tuple[int, bytes]]], chunk_bytes: int
) -> None:
    data = written(rows, ascii_only=False, gap=gap).encode()
    for where, how in damages:
        data = damaged(data, where, how)

    def refuse(_: str) -> None:
        raise ValueError

    try:
        is_array = isinstance(
            json.loads(data.decode(), parse_int=Number, parse_float=Number, parse_constant=refuse), list
        )
    except ValueError:
        is_array = False
    found = outcome(model, data, form=Form.ARRAY, chunk_bytes=chunk_bytes)
    assert found == by_the_rules(model, data.decode()) if is_array else isinstance(found, tuple)


@given(models, st.binary(max_size=60), chunks, sizes)
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(
    model: Model, data: bytes, chunk_bytes: int, sizes: list[int]
) -> None:
    for snapshot in (
        data,
        b"[" + data,
        b"{" + data,
        b"\x1f\x8b" + data,
        gzip.compress(data),
        gzip.compress(b"[]") + data,
    ):
        assert outcome(model, snapshot, sizes, chunk_bytes=chunk_bytes) == outcome(model, snapshot)
