"""The patients whom a sync deletes, and the payments deleted along with them."""

from collections.abc import Iterator
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    Select,
    Table,
    delete,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy import cast as sql_cast
from typing_extensions import override

from paymentagg.adapters.sql.engines.dialect import SyncDialect
from paymentagg.adapters.sql.row_history import deleted_patients, deleted_payments, keep
from paymentagg.adapters.sql.tables import patients, payment_totals, payments
from paymentagg.adapters.sql.working_tables import paired_patients, paired_payments
from paymentagg.domain.changes import Change, Deleted, Effect
from paymentagg.domain.departures import Departures
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.money import from_cents

FETCH = 5_000
"""How many rows are read from or written to the database at once if Python has to handle them."""

IS_GONE = paired_patients.c.row.is_(None)


class SqlDepartures(Departures):
    """The rows of ``paired_patients`` without an incoming row. They stay there until ``remove``."""

    def __init__(self, connection: Connection, dialect: SyncDialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self.begun = False
        self.payments_are_paired = False
        """Whether ``paired_payments`` is filled; on PostgreSQL it doesn't exist before."""

    @property
    def ids(self) -> Select[int]:
        """Select the ids of these patients; only after ``begin``."""
        return select(paired_patients.c.stored_id).where(IS_GONE)

    def need(self, table: Table) -> bool:
        """Return whether ``remove`` still reads this working table."""
        return self.begun and table is paired_patients

    @override
    def begin(self) -> None:
        self.begun = True

    @override
    def lost(self, *, delete: bool) -> int:
        count = sql_cast(func.sum(payment_totals.c.payment_count), BigInteger)
        stored = self._connection.scalar(select(count).where(payment_totals.c.patient_id.in_(self.ids))) or 0
        if not self.payments_are_paired:
            return stored
        elsewhere = select(func.count()).where(
            paired_payments.c.stored_patient_id.in_(self.ids),
            or_(paired_payments.c.row.is_not(None), literal(delete)),
        )
        return stored - (self._connection.scalar(elsewhere) or 0)

    @override
    def changes(self) -> Iterator[Change]:
        patient_id = patients.c.external_id.label("patient_id")
        left = (
            select(payments.c.external_id, patient_id, payments.c.amount_cents)
            .join_from(payments, patients, patients.c.id == payments.c.patient_id)
            .where(self._is_left())
        )
        for row in self._connection.execute(streamed(left.order_by(payments.c.external_id))):
            payment = Payment(row.external_id, row.patient_id, from_cents(row.amount_cents))
            yield Deleted(Model.PAYMENT, payment.external_id, payment)
        columns = (patients.c[name] for name in Patient.__struct_fields__)
        gone = select(*columns).where(patients.c.id.in_(self.ids)).order_by(patients.c.external_id)
        for row in self._connection.execute(streamed(gone)):
            yield Deleted(Model.PATIENT, row.external_id, Patient(*row))

    def _is_left(self) -> ColumnElement[bool]:
        """Return the condition that a stored payment will be deleted along with its patient."""
        return payments.c.patient_id.in_(self.ids)

    @override
    def remove(self, history: int | None) -> Effect:
        if history is not None:
            self._connection.execute(keep(deleted_payments(history).where(payments.c.patient_id.in_(self.ids))))
            self._connection.execute(keep(deleted_patients(history).where(patients.c.id.in_(self.ids))))
        write(self._connection, delete(payment_totals).where(payment_totals.c.patient_id.in_(self.ids)))
        dependents = write(self._connection, delete(payments).where(payments.c.patient_id.in_(self.ids)))
        deleted = write(self._connection, delete(patients).where(patients.c.id.in_(self.ids)))
        self._dialect.clear(self._connection, paired_patients)
        return Effect(deleted=deleted, dependents=dependents)


def streamed(statement: Select[Any]) -> Select[Any]:
    """Return the statement with its result fetched in batches."""
    return statement.execution_options(yield_per=FETCH)


def write(connection: Connection, statement: Executable) -> int:
    """Execute a statement that writes, and return how many rows it has written."""
    result = connection.execute(statement, execution_options={"preserve_rowcount": True})
    return cast(CursorResult[Any], result).rowcount
