"""Stores that compare snapshots: with one state of the database, or with one another.

Both are stores of ordinary syncs, so they find and reject exactly what a sync does.
"""

from abc import ABC
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, exists, func, insert, literal, select
from typing_extensions import override

from paymentagg.adapters.sql import working_tables
from paymentagg.adapters.sql.departures import IS_GONE, SqlDepartures
from paymentagg.adapters.sql.engines import citus
from paymentagg.adapters.sql.engines.dialect import SyncDialect
from paymentagg.adapters.sql.patient_replica import PatientReplica
from paymentagg.adapters.sql.payment_replica import PaymentReplica
from paymentagg.adapters.sql.replica import SqlReplica
from paymentagg.adapters.sql.storage import SqlStorage
from paymentagg.adapters.sql.tables import patients, payments
from paymentagg.adapters.sql.working_tables import paired_patients, paired_payments, staged_payments
from paymentagg.domain.batches import Batch
from paymentagg.domain.changes import Effect
from paymentagg.domain.model import Patient, Payment, RecordT
from paymentagg.domain.ports import TransactionManager


class ComparisonStorage(SqlStorage):
    """The store of a dry run that writes to no stored table and takes no lock. Its working tables are its own."""

    def __init__(self, connection: Connection, dialect: SyncDialect, manager: TransactionManager) -> None:
        super().__init__(connection, dialect, manager)
        self._departures = _PlannedDepartures(connection, dialect)
        self._patients = _PlannedPatients(connection, dialect, self._departures)
        self._payments = _PlannedPayments(connection, dialect, self._departures)

    @override
    def lock(self) -> None:
        _create_working_tables(self._connection)


class ScratchStorage(SqlStorage):
    """The store of a sync or a dry run in an empty private database, in which every patient of a payment is known."""

    def __init__(self, connection: Connection, dialect: SyncDialect, manager: TransactionManager) -> None:
        super().__init__(connection, dialect, manager)
        self._payments = _PaymentsOfAnyone(connection, dialect, self._departures)

    @override
    def lock(self) -> None:
        _create_working_tables(self._connection)


def _create_working_tables(connection: Connection) -> None:
    """Create temporary working tables. On PostgreSQL they take the place of the permanent ones in this connection."""
    if connection.dialect.name == "postgresql" and citus.has_all_working_tables(connection):
        return
    tables = list(working_tables.metadata.sorted_tables)
    if connection.dialect.name == "sqlite":
        tables += working_tables.temporary.sorted_tables
    working_tables.create(connection, tables, "TEMPORARY")


class _Planned(SqlReplica[RecordT], ABC):
    """A replica that returns the effect of ``apply`` without writing anything."""

    @override
    def apply(self, at: datetime, *, delete: bool, history: int | None) -> Effect:
        created, updated, gone = self._counts(self._is_created, self._is_updated, self._is_gone)
        return Effect(created, updated, gone if delete else 0)


class _PlannedPatients(_Planned[Patient], PatientReplica):
    pass


class _PlannedPayments(_Planned[Payment], PaymentReplica):
    pass


class _PlannedDepartures(SqlDepartures):
    """Departures that delete nothing. The payments of these patients are stored until the end, changed ones too."""

    def __init__(self, connection: Connection, dialect: SyncDialect) -> None:
        super().__init__(connection, dialect)
        self._lost = 0
        self._delete = False

    @override
    def lost(self, *, delete: bool) -> int:
        self._delete = delete
        self._lost = super().lost(delete=delete)
        return self._lost

    @override
    def _is_left(self) -> ColumnElement[bool]:
        if not self.payments_are_paired:
            return super()._is_left()
        is_changed = paired_payments.c.row.is_not(None) | literal(self._delete)
        changed = select(paired_payments.c.stored_id).where(paired_payments.c.stored_id.is_not(None), is_changed)
        return super()._is_left() & payments.c.id.not_in(changed)

    @override
    def remove(self, history: int | None) -> Effect:
        gone = self._connection.scalar(select(func.count()).select_from(paired_patients).where(IS_GONE)) or 0
        return Effect(deleted=gone, dependents=self._lost)


class _PaymentsOfAnyone(PaymentReplica):
    """Payments whose patients are all known: the missing ones are stored, with no name of their own."""

    @override
    def stage(self, batches: Iterable[Batch[Payment]]) -> None:
        super().stage(batches)
        time = literal(datetime.now(UTC), patients.c.created.type)
        names = (literal("?"), literal("?"), time, time)
        of = staged_payments.c.patient_external_id
        missing = select(of, *names).where(of.is_not(None), ~exists().where(patients.c.external_id == of)).distinct()
        columns = ["external_id", "first_name", "last_name", "created", "updated"]
        self._connection.execute(insert(patients).from_select(columns, missing))
