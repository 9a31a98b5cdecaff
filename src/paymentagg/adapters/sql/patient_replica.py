"""The stored patients during a sync."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    FromClause,
    Row,
    Select,
    Text,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
)
from typing_extensions import override

from paymentagg.adapters.sql.replica import SqlReplica, conflicting_ids
from paymentagg.adapters.sql.row_history import STORED_FIELDS, kept, patient_fields
from paymentagg.adapters.sql.tables import TOTAL_COLUMNS, patients, payment_totals
from paymentagg.adapters.sql.working_tables import disputed_ids, paired_patients, staged_patients
from paymentagg.domain.batches import Columns
from paymentagg.domain.changes import Pair
from paymentagg.domain.model import Model, Patient
from paymentagg.domain.search import special_search_names

FIELDS = ("first_name", "last_name", "middle_name", "date_of_birth")


class PatientReplica(SqlReplica[Patient]):
    """Patients. Their fields alone decide whether they are valid; ``SqlDepartures`` deletes them."""

    model = Model.PATIENT
    stored_table = patients
    staged = staged_patients
    paired = paired_patients
    fields = (*FIELDS, "search_name")

    @override
    def _derived(self, columns: Columns) -> Columns:
        external_ids, first_names, last_names, middle_names, _ = columns
        return (special_search_names(external_ids, first_names, last_names, middle_names),)

    @override
    def _pairs_that_differ(self) -> Select[Any]:
        s, t = staged_patients, patients
        return (
            select(
                s.c.row,
                func.coalesce(s.c.external_id, t.c.external_id),
                *(s.c[field] for field in FIELDS),
                func.coalesce(s.c.search_name, ascii_search_name(s)),
                t.c.id,
            )
            .select_from(s.outerjoin(t, s.c.external_id == t.c.external_id, full=True))
            .where(
                or_(
                    s.c.row.is_(None),
                    t.c.id.is_(None),
                    *(s.c[field].is_distinct_from(t.c[field]) for field in FIELDS),
                )
            )
        )

    @override
    def _is_valid(self) -> ColumnElement[bool]:
        return self.paired.c.first_name.is_not(None)

    @override
    def _disputed_pairs(self) -> Select[Any]:
        s, t = staged_patients, patients
        valid_rows = (
            select(s.c.external_id, *(s.c[field] for field in FIELDS))
            .join(disputed_ids, disputed_ids.c.external_id == s.c.external_id)
            .where(s.c.first_name.is_not(None))
        )
        conflicting = conflicting_ids(valid_rows)
        return (
            select(
                s.c.external_id,
                s.c.row,
                *(s.c[field] for field in FIELDS),
                t.c.id.label("stored_id"),
                *(t.c[field].label(f"stored_{field}") for field in FIELDS),
                conflicting.c.external_id.is_not(None).label("conflicting"),
            )
            .join(disputed_ids, disputed_ids.c.external_id == s.c.external_id)
            .outerjoin(conflicting, conflicting.c.external_id == s.c.external_id)
            .outerjoin(t, t.c.external_id == s.c.external_id)
            .order_by(s.c.external_id, s.c.row)
        )

    @override
    def _changed_pairs(self) -> Select[Any]:
        p, t = paired_patients, patients
        return select(
            p.c.external_id,
            p.c.row,
            *(p.c[field] for field in FIELDS),
            p.c.stored_id,
            *(t.c[field].label(f"stored_{field}") for field in FIELDS),
            literal(False).label("conflicting"),
        ).outerjoin_from(p, t, t.c.id == p.c.stored_id)

    @override
    def _pair(self, row: Row[Any]) -> Pair[Patient]:
        return Pair(
            external_id=row.external_id,
            row=row.row,
            record=row.first_name
            and Patient(row.external_id, row.first_name, row.last_name, row.middle_name, row.date_of_birth),
            stored=row.stored_id
            and Patient(
                row.external_id,
                row.stored_first_name,
                row.stored_last_name,
                row.stored_middle_name,
                row.stored_date_of_birth,
            ),
            conflicting=row.conflicting,
        )

    @override
    def _maintain_totals(self, *, delete: bool) -> Executable:
        new = (
            select(patients.c.id, literal(0), literal(0))
            .join(paired_patients, paired_patients.c.external_id == patients.c.external_id)
            .where(self._is_created)
        )
        return insert(payment_totals).from_select(TOTAL_COLUMNS, new)

    @override
    def _replaced(self, history: int) -> Select[Any]:
        after = self._after(patient_fields(paired_patients))
        columns = kept(history, self.model, patients, kind=self._kind, before=STORED_FIELDS[self.model], after=after)
        return select(*columns).join_from(paired_patients, patients, patients.c.id == paired_patients.c.stored_id)

    @override
    def _fill_totals(self) -> Iterable[Executable]:
        return (insert(payment_totals).from_select(TOTAL_COLUMNS, select(patients.c.id, literal(0), literal(0))),)


def ascii_search_name(patients: FromClause) -> ColumnElement[str]:
    """Return the search name of a patient whose texts are ASCII: the databases' lower() changes no other letters."""
    # No parameters: a statement that creates a table can't have any.
    space, nothing = literal_column("' '", Text()), literal_column("''", Text())
    names = (
        patients.c.first_name + space + func.coalesce(patients.c.middle_name + space, nothing) + patients.c.last_name
    )
    return func.lower(names + space + patients.c.external_id)
