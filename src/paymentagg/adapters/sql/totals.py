"""Correcting the payment totals of patients whose payments change."""

from sqlalchemy import BigInteger, Select, Update, cast, func, or_, select, union_all, update

from paymentagg.adapters.sql.tables import payment_totals


def correction(*changes: Select[tuple[int, int, int]]) -> Update:
    """Return the statement that adds payments to the totals of their patients, and subtracts others.

    Args:
        changes: queries for the id of the patient, the cents, and 1; for a payment to subtract, with both negated.
    """
    patient_id, cents, one = union_all(*changes).subquery().c
    sums = (
        select(
            patient_id.label("patient_id"),
            cast(func.sum(cents), BigInteger).label("cents"),
            cast(func.sum(one), BigInteger).label("payments"),
        )
        .group_by(patient_id)
        .subquery()
    )
    totals = payment_totals.c
    return (
        update(payment_totals)
        .where(totals.patient_id == sums.c.patient_id, or_(sums.c.cents != 0, sums.c.payments != 0))
        .values(total_cents=totals.total_cents + sums.c.cents, payment_count=totals.payment_count + sums.c.payments)
    )
