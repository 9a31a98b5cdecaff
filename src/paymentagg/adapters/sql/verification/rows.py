"""Checks of patients, payments and totals. The database selects the rows that may be wrong; usually there are none.

Values that damage may have given another type are read as text: SQLite stores any type in any column.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Date,
    Select,
    Subquery,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    type_coerce,
)

from paymentagg.adapters.sql.departures import streamed
from paymentagg.adapters.sql.patient_replica import ascii_search_name
from paymentagg.adapters.sql.tables import MAX_CENTS, TABLES, patients, payment_totals, payments, syncs
from paymentagg.domain.model import Model
from paymentagg.domain.row_rules import RowError, check_row
from paymentagg.domain.search import search_name
from paymentagg.domain.text import MAX_TEXT
from paymentagg.domain.verification import Check, Finding

_UNUSUAL = "[^ -~]"
"""A pattern for a character outside of ASCII's printable ones. Texts with one are checked in Python."""

_NAMES = {"firstName": patients.c.first_name, "lastName": patients.c.last_name, "middleName": patients.c.middle_name}

_FLAGS = {
    Check.DATE: "has_date",
    Check.AMOUNT: "has_amount",
    Check.TIMES: "has_order",
    Check.UNRECORDED_TIME: "has_times",
}


class RowChecks:
    """The checks of the stored rows, on one connection.

    Args:
        enforced: whether the schema has all constraints and indexes.
    """

    def __init__(self, connection: Connection, *, enforced: bool) -> None:
        self._connection = connection
        self._enforced = enforced
        self._is_sqlite = connection.dialect.name == "sqlite"

    def findings(self) -> Iterator[Finding]:
        """Check all rows of both models and the totals."""
        for model, table in TABLES.items():
            yield from self._fields(model, table)
            yield from self._duplicates(model, table)
        yield from self._totals()

    def _fields(self, model: Model, table: Table) -> Iterator[Finding]:
        """Check the fields of each row by itself."""
        texts = {"externalId": table.c.external_id} | (_NAMES if model is Model.PATIENT else {})
        flags = {
            Check.TIMES: table.c.updated >= table.c.created,
            Check.UNRECORDED_TIME: and_(
                *(time.in_(select(syncs.c.started_at)) for time in (table.c.created, table.c.updated))
            ),
        }
        if model is Model.PATIENT:
            flags[Check.DATE] = self._is_date(table.c.date_of_birth)
        else:
            flags[Check.AMOUNT] = self._is_amount(table.c.amount_cents)
        usual = [self._is_usual(column) for column in texts.values()]
        if model is Model.PATIENT:
            usual.append(table.c.search_name == ascii_search_name(table))
            texts["searchName"] = table.c.search_name
        wrong = and_(*usual, *flags.values()).is_not(true())
        columns: list[ColumnElement[Any]] = [
            cast(table.c.id, Text).label("id"),
            *(self._text(column).label(name) for name, column in texts.items()),
            *(condition.is_(true()).label(_FLAGS[check]) for check, condition in flags.items()),
        ]
        for found in self._found(select(*columns).where(wrong)):
            row = found._mapping
            subject = f"{model} {row['externalId'] or 'row ' + row['id']}"
            yield from (Finding(check, subject) for check in flags if not row[_FLAGS[check]])
            broken = _broken(model, {name: row[name] for name in texts})
            if broken is not None:
                yield Finding(Check.TEXT, f"{subject}: {broken}")
            elif model is Model.PATIENT and not _is_found(row):
                yield Finding(Check.SEARCH_NAME, subject)

    def _duplicates(self, model: Model, table: Table) -> Iterator[Finding]:
        """Find external ids that are stored twice.

        PostgreSQL's unique index makes that impossible; SQLite's can be made to lack an entry.
        """
        if self._enforced and not self._is_sqlite:
            return
        external_id = self._text(table.c.external_id)
        repeated = select(external_id).group_by(table.c.external_id).having(func.count() > 1)
        for (repeated_id,) in self._found(repeated):
            yield Finding(Check.DUPLICATE_ID, f"{model} {repeated_id}")

    def _orphans(self) -> Iterator[Finding]:
        """Find payments whose patient isn't stored."""
        is_orphan = patients.c.id.is_(None)
        orphans = select(self._text(payments.c.external_id)).outerjoin(patients, patients.c.id == payments.c.patient_id)
        for (external_id,) in self._connection.execute(streamed(orphans.where(is_orphan))):
            yield Finding(Check.ORPHAN, f"payment {external_id}")

    def _totals(self) -> Iterator[Finding]:
        """Compare the totals of all patients with their payments, and find payments of no patient.

        These are several joins because SQLite would compare each row of a full join with each other one.
        """
        totals = payment_totals
        both = patients.outerjoin(totals, totals.c.patient_id == patients.c.id, full=True)
        columns: list[ColumnElement[Any]] = [self._text(patients.c.external_id), cast(totals.c.patient_id, Text)]
        is_unpaired = or_(patients.c.id.is_(None), totals.c.patient_id.is_(None))
        for row in self._found(select(*columns).select_from(both).where(is_unpaired)):
            if row[1] is None:
                yield Finding(Check.MISSING_TOTAL, f"patient {row[0]}")
            else:
                yield Finding(Check.SURPLUS_TOTAL, f"patient row {row[1]}")

        sums = self._sums()
        has_total = totals.c.total_cents == func.coalesce(sums.c.cents, 0)
        has_count = totals.c.payment_count == sums.c.payments
        is_wrong = or_(patients.c.id.is_(None), and_(has_total, has_count).is_(false()))
        with_payments = sums.outerjoin(patients, patients.c.id == sums.c.patient_id)
        with_payments = with_payments.outerjoin(totals, totals.c.patient_id == sums.c.patient_id)
        counts = select(func.count(), func.count().filter(is_wrong)).select_from(with_payments)
        paying, wrong = self._connection.execute(counts).one()
        if wrong:
            columns = [self._text(patients.c.external_id), has_total, has_count]
            yield from self._wrong_totals(select(*columns).select_from(with_payments).where(is_wrong))
            yield from self._orphans()
        has_something = or_(totals.c.total_cents != 0, totals.c.payment_count != 0)
        filled = self._connection.scalar(select(func.count()).select_from(totals).where(has_something))
        if wrong or filled != paying:  # else each total that isn't zero is that of a patient with payments
            columns = [self._text(patients.c.external_id), totals.c.total_cents == 0, totals.c.payment_count == 0]
            with_totals = select(*columns).join_from(totals, patients, patients.c.id == totals.c.patient_id)
            has_none = ~exists().where(payments.c.patient_id == totals.c.patient_id)
            yield from self._wrong_totals(with_totals.where(has_something, has_none))

    def _sums(self) -> Subquery:
        """Return the sum and the number of the payments of each patient who has some."""
        amount = payments.c.amount_cents
        in_range = case((amount.between(-MAX_CENTS, MAX_CENTS), amount))  # others could overflow the sum on SQLite
        # SQLite would read the payments in the order of the index on their patients, which is slower than sorting them.
        key = payments.c.patient_id + 0 if self._is_sqlite else payments.c.patient_id
        sums = select(key.label("patient_id"), func.sum(in_range).label("cents"), func.count().label("payments"))
        return sums.group_by(key).subquery()

    def _wrong_totals(self, statement: Select[Any]) -> Iterator[Finding]:
        """Return the findings for patients, with whether their total and their number of payments are right."""
        for external_id, has_total, has_count in self._connection.execute(streamed(statement)):
            if external_id is not None and not has_total:
                yield Finding(Check.TOTAL, f"patient {external_id}")
            if external_id is not None and not has_count:
                yield Finding(Check.PAYMENT_COUNT, f"patient {external_id}")

    def _found(self, statement: Select[Any]) -> Iterator[Any]:
        """Return the rows of a statement that usually has none.

        They are counted first, which PostgreSQL does in parallel; it streams rows without parallel workers.
        """
        if self._connection.scalar(select(func.count()).select_from(statement.subquery())):
            yield from self._connection.execute(streamed(statement))

    # The conditions that the engines write differently.

    def _text(self, column: Column[Any]) -> ColumnElement[str]:
        """Return the column as a text, whatever type its values have."""
        return cast(column, Text)

    def _is_usual(self, column: Column[Any]) -> ColumnElement[bool]:
        """Return the condition that a text certainly is valid: printable ASCII, trimmed and not too long."""
        unusual = column.bool_op("GLOB")(f"*{_UNUSUAL}*") if self._is_sqlite else column.bool_op("~")(_UNUSUAL)
        usual = and_(func.length(column).between(1, MAX_TEXT), column == func.trim(column), ~unusual)
        if self._is_sqlite:
            usual = and_(func.typeof(column) == "text", usual)
        return or_(column.is_(None), usual) if column.nullable else usual

    def _is_date(self, column: Column[Any]) -> ColumnElement[bool]:
        if self._is_sqlite:
            text = type_coerce(column, Text)
            is_date = and_(text == func.date(text, "+0 days"), text.between("0001-01-01", "9999-12-31"))
        else:
            is_date = column.between(cast("0001-01-01", Date), cast("9999-12-31", Date))
        return or_(column.is_(None), is_date)

    def _is_amount(self, column: Column[Any]) -> ColumnElement[bool]:
        bound = literal(MAX_CENTS, BigInteger)
        in_range = column.between(-bound, bound)
        return and_(func.typeof(column) == "integer", in_range) if self._is_sqlite else in_range


def _is_found(row: Mapping[str, str]) -> bool:
    """Return whether a patient with valid texts has the right search name."""
    name = search_name(row["externalId"], row["firstName"], row["lastName"], row["middleName"])
    return row["searchName"] == name


def _broken(model: Model, texts: dict[str, str | None]) -> str | None:
    """Return the first rule that the texts of a row break, and the field; None if they break none."""
    row = texts if model is Model.PATIENT else texts | {"patientId": "0", "amount": "0"}
    try:
        check_row(model, row)
    except RowError as error:
        return f"{error.field} ({error.code})"
    middle_name = texts.get("middleName")
    return "middleName (blank)" if middle_name is not None and not middle_name.strip() else None
