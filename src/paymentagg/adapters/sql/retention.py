"""Erasing the changes and the rejected rows of past syncs."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Connection, and_, delete, exists, func, or_, select, update
from typing_extensions import override

from paymentagg.adapters.sql.departures import write
from paymentagg.adapters.sql.tables import patients, payments, rejections, row_changes, syncs
from paymentagg.domain.forgetting import Forgotten
from paymentagg.domain.model import Model
from paymentagg.domain.ports import Erased, Retention
from paymentagg.domain.report import Report
from paymentagg.domain.text import shown

REPORTS = 500
"""How many reports are read at once."""


class SqlRetention(Retention):
    """See the port Retention; the connection's transaction holds the lock of syncs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def prune(self, before: datetime) -> Erased | None:
        has_some = (exists().where(table.c.sync_id == syncs.c.id) for table in (row_changes, rejections))
        old = select(syncs.c.id).where(syncs.c.started_at < before, or_(*has_some)).order_by(syncs.c.id).limit(1)
        sync = self._connection.scalar(old)
        # There is no sync 0. Deleting its rows fails for a role that may not erase, even if there is nothing to erase:
        # a daily job with the wrong role would otherwise succeed until the first day on which it is needed.
        erased = Erased(
            changes=write(self._connection, delete(row_changes).where(row_changes.c.sync_id == (sync or 0))),
            rejections=write(self._connection, delete(rejections).where(rejections.c.sync_id == (sync or 0))),
        )
        return None if sync is None else erased

    @override
    def is_stored(self, external_id: str) -> bool:
        return self._connection.scalar(select(exists().where(patients.c.external_id == external_id))) or False

    @override
    def forget(self, external_id: str) -> Erased:
        changes, rejected = row_changes.c, rejections.c
        is_payment_of_theirs = or_(
            changes.patient_external_id == external_id, changes.new_patient_external_id == external_id
        )
        is_stored = exists().where(payments.c.external_id == changes.external_id)
        theirs = select(changes.external_id).where(is_payment_of_theirs, ~is_stored).distinct()
        forgotten = Forgotten(external_id, frozenset(self._connection.scalars(theirs)))
        is_about_them = or_(
            and_(rejected.model == Model.PATIENT.value, rejected.external_id == external_id),
            and_(rejected.model == Model.PAYMENT.value, rejected.external_id.in_(theirs)),
            and_(
                rejected.model == Model.PAYMENT.value,
                rejected.field == "patientId",
                rejected.value == shown(external_id),
            ),
        )
        is_them = and_(changes.model == Model.PATIENT.value, changes.external_id == external_id)
        is_named = or_(is_them, is_payment_of_theirs)
        numbers = select(changes.sync_id, func.count()).where(is_named).group_by(changes.sync_id)
        erased = {row.sync_id: row[1] for row in self._connection.execute(numbers)}
        errors = self._erase_from_reports(forgotten, erased)
        rows = write(self._connection, delete(rejections).where(is_about_them))  # before the changes, which it reads
        kept = write(self._connection, delete(row_changes).where(is_named))
        return Erased(kept, rows, errors)

    def _erase_from_reports(self, forgotten: Forgotten, changes: Mapping[int, int]) -> int:
        """Empty the errors that name the patient in all reports, and return how many these are.

        Args:
            changes: how many rows of its history are erased, by sync.
        """
        page = select(syncs.c.id, syncs.c.report).order_by(syncs.c.id).limit(REPORTS)
        erased = last_id = 0
        while found := self._connection.execute(page.where(syncs.c.id > last_id)).all():
            for sync, text in found:
                report = msgspec.json.decode(text, type=Report)
                count = forgotten.erase_from(report, changes.get(sync, 0))
                if count or sync in changes:
                    changed = msgspec.json.encode(report).decode()
                    self._connection.execute(update(syncs).where(syncs.c.id == sync).values(report=changed))
                    erased += count
                last_id = sync
        return erased
