"""The stored payments during a sync."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    FromClause,
    Row,
    Select,
    cast,
    delete,
    except_,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from typing_extensions import override

from paymentagg.adapters.sql.replica import SqlReplica, conflicting_ids
from paymentagg.adapters.sql.row_history import STORED_FIELDS, kept, payment_fields
from paymentagg.adapters.sql.tables import TOTAL_COLUMNS, patients, payment_totals, payments
from paymentagg.adapters.sql.totals import correction
from paymentagg.adapters.sql.working_tables import disputed_ids, paired_payments, staged_payments
from paymentagg.domain.changes import Pair
from paymentagg.domain.model import Model, Payment
from paymentagg.domain.money import from_cents


class PaymentReplica(SqlReplica[Payment]):
    """Payments, which change the totals of their patients. A payment is valid if its patient is stored."""

    model = Model.PAYMENT
    stored_table = payments
    staged = staged_payments
    paired = paired_payments
    fields = ("patient_id", "amount_cents")

    @override
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

    @override
    def _is_valid(self) -> ColumnElement[bool]:
        return self.paired.c.patient_id.is_not(None)

    @override
    def _disputed_pairs(self) -> Select[Any]:
        s, t = staged_payments, payments
        stored_patients = patients.alias()
        known: FromClause = patients
        is_known: ColumnElement[bool] = patients.c.id.is_not(None)
        if self._departures.begun:
            leaving = self._departures.ids.subquery("leaving")
            known = patients.outerjoin(leaving, leaving.c.stored_id == patients.c.id)
            is_known &= leaving.c.stored_id.is_(None)
        valid_rows = (
            select(s.c.external_id, s.c.patient_external_id, s.c.amount_cents)
            .join(disputed_ids, disputed_ids.c.external_id == s.c.external_id)
            .join(known, patients.c.external_id == s.c.patient_external_id)
            .where(is_known)
        )
        conflicting = conflicting_ids(valid_rows)
        return (
            select(
                s.c.external_id,
                s.c.row,
                s.c.patient_external_id,
                s.c.amount_cents,
                is_known.label("patient_known"),
                stored_patients.c.external_id.label("stored_patient_id"),
                t.c.amount_cents.label("stored_amount_cents"),
                conflicting.c.external_id.is_not(None).label("conflicting"),
            )
            .join(disputed_ids, disputed_ids.c.external_id == s.c.external_id)
            .outerjoin(known, patients.c.external_id == s.c.patient_external_id)
            .outerjoin(conflicting, conflicting.c.external_id == s.c.external_id)
            .outerjoin(t, t.c.external_id == s.c.external_id)
            .outerjoin(stored_patients, stored_patients.c.id == t.c.patient_id)
            .order_by(s.c.external_id, s.c.row)
        )

    @override
    def _changed_pairs(self) -> Select[Any]:
        p, new, old = paired_payments, patients.alias("new"), patients.alias("old")
        return (
            select(
                p.c.external_id,
                p.c.row,
                new.c.external_id.label("patient_external_id"),
                p.c.amount_cents,
                literal(True).label("patient_known"),
                old.c.external_id.label("stored_patient_id"),
                p.c.stored_amount_cents,
                literal(False).label("conflicting"),
            )
            .outerjoin_from(p, new, new.c.id == p.c.patient_id)
            .outerjoin(old, old.c.id == p.c.stored_patient_id)
        )

    @override
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

    @override
    def _disown_leaving(self) -> None:
        self._departures.payments_are_paired = True
        if self._departures.begun:
            of_leaving = paired_payments.c.patient_id.in_(self._departures.ids)
            self._connection.execute(update(paired_payments).where(of_leaving).values(patient_id=None))

    @override
    def _kept_by_leaving(self) -> Select[str] | None:
        if not self._departures.begun:
            return None
        stored = select(payments.c.external_id).where(payments.c.patient_id.in_(self._departures.ids))
        is_theirs = paired_payments.c.stored_patient_id.in_(self._departures.ids)
        kept = except_(stored, select(paired_payments.c.external_id).where(is_theirs)).subquery()
        return select(kept.c.external_id)

    @override
    def _maintain_totals(self, *, delete: bool) -> Executable:
        """Add incoming payments to the totals; subtract the stored ones that they replace or that are deleted."""
        paired = paired_payments
        incoming = select(paired.c.patient_id, paired.c.amount_cents, literal(1)).where(self._is_incoming)
        replaced = select(paired.c.stored_patient_id, -paired.c.stored_amount_cents, literal(-1)).where(
            paired.c.stored_id.is_not(None), literal(True) if delete else self._is_incoming
        )
        return correction(incoming, replaced)

    @override
    def _replaced(self, history: int) -> Select[Any]:
        paired, new = paired_payments, patients.alias("new")
        after = self._after(payment_fields(new.c.external_id, paired.c.patient_id, paired.c.amount_cents))
        columns = kept(
            history,
            self.model,
            payments,
            kind=self._kind,
            before=STORED_FIELDS[self.model],
            after=after,
            patient=patients.c.external_id,
            new_patient=new.c.external_id,
        )
        return (
            select(*columns)
            .join_from(paired, payments, payments.c.id == paired.c.stored_id)
            .join(patients, patients.c.id == payments.c.patient_id)
            .outerjoin(new, (new.c.id == paired.c.patient_id) & self._is_incoming)
        )

    @override
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
