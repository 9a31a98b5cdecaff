"""The stored payments during a sync."""

from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Delete,
    Executable,
    Row,
    Select,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)

from paymentagg.adapters.sql.dialect import Rows
from paymentagg.adapters.sql.replica import SqlReplica, conflicting_ids
from paymentagg.adapters.sql.tables import TOTAL_COLUMNS, cents_of, from_cents, patients, payment_totals, payments
from paymentagg.adapters.sql.working_tables import disputed_ids, paired_payments, staged_payments
from paymentagg.domain.changes import Pair
from paymentagg.domain.model import Model, Payment
from paymentagg.domain.ports import Batch

_external_id, _patient_id, _amount = (attrgetter(name) for name in ("external_id", "patient_id", "amount"))


class PaymentReplica(SqlReplica[Payment]):
    """Payments may be taken when their patient is stored; they move their patients' totals."""

    model = Model.PAYMENT
    stored_table = payments
    staged = staged_payments
    paired = paired_payments
    fields = ("patient_id", "amount_cents")

    def _staged(self, batch: Batch[Payment]) -> Rows:
        records = batch.records
        good = zip(
            batch.numbers,
            map(_external_id, records),
            map(_patient_id, records),
            cents_of(map(_amount, records)),
            strict=True,
        )
        bare = ((r.row, r.external_id, None, None) for r in batch.rejections if r.external_id is not None)
        return chain(good, bare)

    def _pairs_that_differ(self) -> Select[Any]:
        s, t = staged_payments, payments
        with_patients = s.outerjoin(patients, patients.c.external_id == s.c.patient_external_id)
        return (
            select(
                s.c.row,
                func.coalesce(s.c.external_id, t.c.external_id),
                patients.c.id,
                s.c.amount_cents,
                t.c.id,
                t.c.patient_id,
                t.c.amount_cents,
            )
            .select_from(with_patients.outerjoin(t, s.c.external_id == t.c.external_id, full=True))
            .where(
                or_(
                    s.c.row.is_(None),
                    t.c.id.is_(None),
                    patients.c.id.is_distinct_from(t.c.patient_id),
                    s.c.amount_cents.is_distinct_from(t.c.amount_cents),
                )
            )
        )

    def _takeable(self) -> ColumnElement[bool]:
        return self.paired.c.patient_id.is_not(None)

    def _disputed_pairs(self) -> Select[Any]:
        s, t = staged_payments, payments
        stored_patients = patients.alias()
        good_rows = (
            select(s.c.external_id, s.c.patient_external_id, s.c.amount_cents)
            .join(disputed_ids, disputed_ids.c.external_id == s.c.external_id)
            .join(patients, patients.c.external_id == s.c.patient_external_id)
        )
        conflicting = conflicting_ids(good_rows)
        return (
            select(
                s.c.external_id,
                s.c.row,
                s.c.patient_external_id,
                s.c.amount_cents,
                patients.c.id.is_not(None).label("patient_known"),
                stored_patients.c.external_id.label("stored_patient_id"),
                t.c.amount_cents.label("stored_amount_cents"),
                conflicting.c.external_id.is_not(None).label("conflicting"),
            )
            .join(disputed_ids, disputed_ids.c.external_id == s.c.external_id)
            .outerjoin(patients, patients.c.external_id == s.c.patient_external_id)
            .outerjoin(conflicting, conflicting.c.external_id == s.c.external_id)
            .outerjoin(t, t.c.external_id == s.c.external_id)
            .outerjoin(stored_patients, stored_patients.c.id == t.c.patient_id)
            .order_by(s.c.external_id, s.c.row)
        )

    def _pair(self, row: Row[Any]) -> Pair[Payment]:
        return Pair(
            external_id=row.external_id,
            row=row.row,
            record=row.patient_external_id
            and Payment(row.external_id, row.patient_external_id, from_cents(row.amount_cents)),
            stored=row.stored_patient_id
            and Payment(row.external_id, row.stored_patient_id, from_cents(row.stored_amount_cents)),
            patient_known=row.patient_known,
            conflicting=row.conflicting,
        )

    def _dependents(self) -> Select[int]:
        return select(literal(0))

    def _lost(self) -> None:
        return None

    def _delete_dependents(self) -> Iterable[Delete]:
        return ()

    def _maintain_totals(self, *, delete: bool) -> Executable:
        """Add to each total what its payments have grown by: what came, less what was stored."""
        paired = paired_payments
        came = select(paired.c.patient_id, paired.c.amount_cents, literal(1).label("one")).where(self._is_incoming)
        went = select(paired.c.stored_patient_id.label("patient_id"), -paired.c.stored_amount_cents, literal(-1)).where(
            paired.c.stored_id.is_not(None), literal(True) if delete else self._is_incoming
        )
        moves = union_all(came, went).subquery()
        growth = (
            select(
                moves.c.patient_id,
                cast(func.sum(moves.c.amount_cents), BigInteger).label("cents"),
                cast(func.sum(moves.c.one), BigInteger).label("payments"),
            )
            .group_by(moves.c.patient_id)
            .subquery()
        )
        totals = payment_totals
        return (
            update(totals)
            .where(
                totals.c.patient_id == growth.c.patient_id,
                or_(growth.c.cents != 0, growth.c.payments != 0),
            )
            .values(
                total_cents=totals.c.total_cents + growth.c.cents,
                payment_count=totals.c.payment_count + growth.c.payments,
            )
        )

    def _fill_totals(self) -> Iterable[Executable]:
        sums = (
            select(
                paired_payments.c.patient_id,
                cast(func.sum(paired_payments.c.amount_cents), BigInteger).label("cents"),
                func.count().label("payments"),
            )
            .where(self._is_incoming)
            .group_by(paired_payments.c.patient_id)
            .subquery()
        )
        totals = select(
            patients.c.id, func.coalesce(sums.c.cents, 0), func.coalesce(sums.c.payments, 0)
        ).outerjoin_from(patients, sums, sums.c.patient_id == patients.c.id)
        return delete(payment_totals), insert(payment_totals).from_select(TOTAL_COLUMNS, totals)
