"""The storage of one sync: the replicas of both models, and the record of past syncs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice

import msgspec
from sqlalchemy import BigInteger, Connection, cast, func, insert, select
from typing_extensions import override

from paymentagg.adapters.sql import past_syncs, schema
from paymentagg.adapters.sql.departures import FETCH, SqlDepartures
from paymentagg.adapters.sql.engines.dialect import InsertWithIds, SyncDialect
from paymentagg.adapters.sql.patient_replica import PatientReplica
from paymentagg.adapters.sql.payment_replica import PaymentReplica
from paymentagg.adapters.sql.tables import AFTER, COUNTS, patients, payment_totals, payments, syncs
from paymentagg.adapters.sql.tables import rejections as rejected_rows
from paymentagg.adapters.sql.undo import SqlReversal
from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model
from paymentagg.domain.ports import HeldBy, KeyedSync, PastSync, Storage, TransactionManager
from paymentagg.domain.report import Report


class SqlStorage(Storage):
    """The storage of one sync; ``manager`` commits what it writes."""

    def __init__(self, connection: Connection, dialect: SyncDialect, manager: TransactionManager) -> None:
        self._connection = connection
        self._dialect = dialect
        self._manager = manager
        self._last_ids: dict[str, int] = {}
        self._departures = SqlDepartures(connection, dialect)
        self._patients = PatientReplica(connection, dialect, self._departures)
        self._payments = PaymentReplica(connection, dialect, self._departures)
        self._reversal = SqlReversal(connection)

    @property
    @override
    def patients(self) -> PatientReplica:
        return self._patients

    @property
    @override
    def payments(self) -> PaymentReplica:
        return self._payments

    @property
    @override
    def departures(self) -> SqlDepartures:
        return self._departures

    @property
    @override
    def reversal(self) -> SqlReversal:
        return self._reversal

    @override
    def lock(self) -> None:
        schema.check(self._connection)
        self._dialect.lock(self._connection)

    @override
    def last_started(self) -> datetime | None:
        return past_syncs.last_started(self._connection)

    @override
    def next_id(self) -> int:
        largest = (select(func.coalesce(func.max(table.c.id), 0)).scalar_subquery() for table in (patients, payments))
        sync_id: int
        # Citus would send a statement that reads tables to a worker whole, and the sequence is on the coordinator.
        sync_id = self._connection.scalars(select(self._dialect.next_id(syncs))).one()
        last_ids = self._connection.execute(select(*largest)).one()
        self._last_ids = {past_syncs.last_id_of(model).name: last for model, last in zip(Model, last_ids, strict=True)}
        return sync_id

    @override
    def last(self, model: Model) -> PastSync | None:
        return past_syncs.last(self._connection, model)

    @override
    def last_taken(self, model: Model) -> datetime | None:
        return past_syncs.last_taken(self._connection, model)

    @override
    def held(self, model: Model, digest: str) -> HeldBy | None:
        return past_syncs.held(self._connection, model, digest)

    @override
    def keyed(self, key: str) -> KeyedSync | None:
        return past_syncs.keyed(self._connection, key)

    @override
    def record(
        self,
        report: Report,
        digests: Mapping[Model, str | None],
        *,
        taken_at: datetime | None,
        key: str | None,
        parameters: str | None,
        by: str | None,
        held: Mapping[Model, str],
    ) -> None:
        values = {
            "id": report.id,
            "started_at": report.started_at,
            "finished_at": report.finished_at,
            "changed": report.changed,
            "idempotency_key": key,
            "idempotency_parameters": None if key is None else parameters,
            "key_id": by,
            "report": msgspec.json.encode(report).decode(),
            "undoes": None if report.undoes is msgspec.UNSET else report.undoes,
            **{past_syncs.digest_of(model).name: digest for model, digest in digests.items()},
            **{past_syncs.taken_at_of(model).name: taken_at for model in digests},
            **{past_syncs.held_of(model).name: digest for model, digest in held.items()},
            **self._last_ids,
            **{
                f"{model.plural}_{count}": getattr(part, count)
                for model, part in report.models.items()
                for count in COUNTS
            },
            **self._after(changed=report.changed),
        }
        self._connection.execute(InsertWithIds(syncs).values(values))

    @override
    def keep_rejections(self, sync_id: int, rejections: Iterable[Rejection]) -> None:
        names = [column.name for column in rejected_rows.columns if column.name != "sync_id"]
        rows = ({"sync_id": sync_id} | {name: getattr(each, name) for name in names} for each in rejections)
        while batch := list(islice(rows, FETCH)):
            self._connection.execute(insert(rejected_rows), batch)

    @override
    def discard(self) -> None:
        self._manager.doom()

    def _after(self, *, changed: bool) -> Mapping[str, int | None]:
        """Return how many rows are stored now and their sum; what the last sync has stored unless ``changed``."""
        last = select(*(syncs.c[name] for name in AFTER)).order_by(syncs.c.id.desc()).limit(1)
        totals = payment_totals.c
        sums = (
            func.coalesce(cast(func.sum(column), BigInteger), 0)
            for column in (totals.payment_count, totals.total_cents)
        )
        found = None if changed else self._connection.execute(last).one_or_none()
        if found is None or None in found:
            found = self._connection.execute(select(func.count(), *sums).select_from(payment_totals)).one()
        return dict(zip(AFTER, found, strict=True))
