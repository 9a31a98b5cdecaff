"""The store as one sync sees it."""

import msgspec
from sqlalchemy import insert
from sqlalchemy.orm import Session
from transaction import TransactionManager

from paymentagg.adapters import schema
from paymentagg.adapters.engine import SyncEngine
from paymentagg.adapters.patient_replica import PatientReplica
from paymentagg.adapters.payment_replica import PaymentReplica
from paymentagg.adapters.tables import syncs
from paymentagg.domain.report import Report


class SqlStorage:
    """See the port Storage; what it writes is kept when ``manager`` commits."""

    def __init__(self, session: Session, engine: SyncEngine, manager: TransactionManager) -> None:
        self._session = session
        self._engine = engine
        self._manager = manager
        self.patients = PatientReplica(session, engine)
        self.payments = PaymentReplica(session, engine)

    def lock(self) -> None:
        connection = self._session.connection(execution_options={"writing": True})
        schema.check(connection)
        self._engine.lock(connection)

    def record(self, report: Report) -> int:
        values = {
            "started_at": report.started_at,
            "finished_at": report.finished_at,
            "changed": report.changed,
            "report": msgspec.json.encode(report).decode(),
        }
        sync_id: int = self._session.execute(insert(syncs).returning(syncs.c.id), values).scalar_one()
        return sync_id

    def discard(self) -> None:
        self._manager.doom()
