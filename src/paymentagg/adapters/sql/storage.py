"""The storage of one sync: the replicas of both models, and the record of past syncs."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Column, Connection, exists, func, select
from typing_extensions import override

from paymentagg.adapters.sql import schema
from paymentagg.adapters.sql.departures import SqlDepartures
from paymentagg.adapters.sql.engines.dialect import InsertWithIds, SyncDialect
from paymentagg.adapters.sql.patient_replica import PatientReplica
from paymentagg.adapters.sql.payment_replica import PaymentReplica
from paymentagg.adapters.sql.tables import patients, payments, syncs
from paymentagg.domain.model import Model
from paymentagg.domain.ports import KeyedSync, PastSync, Storage, TransactionManager
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

    @override
    def lock(self) -> None:
        schema.check(self._connection)
        self._dialect.lock(self._connection)

    @override
    def last_started(self) -> datetime | None:
        statement = select(syncs.c.started_at).order_by(syncs.c.id.desc()).limit(1)
        return self._connection.execute(statement).scalar_one_or_none()

    @override
    def next_id(self) -> int:
        largest = {table: select(func.coalesce(func.max(table.c.id), 0)) for table in (patients, payments)}
        columns = {f"{table.name}_last_id": query.scalar_subquery() for table, query in largest.items()}
        found = self._connection.execute(
            select(self._dialect.next_id(syncs), *(query.label(name) for name, query in columns.items()))
        ).one()
        self._last_ids = dict(zip(columns, found[1:], strict=True))
        sync_id: int = found[0]
        return sync_id

    @override
    def last(self, model: Model) -> PastSync | None:
        later = syncs.alias()
        digest = _digest(model)
        statement = (
            select(syncs.c.id, digest, syncs.c.report, exists().where(later.c.id > syncs.c.id, later.c.changed))
            .where(digest.is_not(None))
            .order_by(syncs.c.id.desc())
            .limit(1)
        )
        found = self._connection.execute(statement).one_or_none()
        if found is None:
            return None
        report = msgspec.json.decode(found[2], type=Report)
        return PastSync(found[0], found[1], report.models[model], changed_since=found[3])

    @override
    def last_taken(self, model: Model) -> datetime | None:
        taken_at = _taken_at(model)
        statement = select(taken_at).where(taken_at.is_not(None)).order_by(syncs.c.id.desc()).limit(1)
        return self._connection.execute(statement).scalar_one_or_none()

    @override
    def keyed(self, key: str) -> KeyedSync | None:
        found = self._connection.execute(select(syncs).where(syncs.c.idempotency_key == key)).mappings().one_or_none()
        if found is None:
            return None
        digests = {model: found[_digest(model).name] for model in Model if found[_digest(model).name] is not None}
        report = msgspec.json.decode(found["report"], type=Report)
        report.id = found["id"]
        return KeyedSync(digests, found["idempotency_parameters"], report)

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
            **{_digest(model).name: digest for model, digest in digests.items()},
            **{_taken_at(model).name: taken_at for model in digests},
            **self._last_ids,
        }
        self._connection.execute(InsertWithIds(syncs).values(values))

    @override
    def discard(self) -> None:
        self._manager.doom()


def _digest(model: Model) -> Column[str]:
    return syncs.c[f"{model.plural}_digest"]


def _taken_at(model: Model) -> Column[datetime]:
    return syncs.c[f"{model.plural}_taken_at"]
