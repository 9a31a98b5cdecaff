"""Writing rows to ``row_changes`` as they are before they are updated or deleted: JSON objects, made in SQL."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Select,
    Text,
    func,
    insert,
    literal,
    literal_column,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.type_api import TypeEngine

from paymentagg.adapters.sql.tables import patients, payments, row_changes
from paymentagg.domain.model import Model

Fields = Mapping[str, ColumnElement[Any]]
"""The fields of a row by their names in JSON."""

PATIENT_FIELDS = {
    "firstName": "first_name",
    "lastName": "last_name",
    "middleName": "middle_name",
    "dateOfBirth": "date_of_birth",
    "searchName": "search_name",
}
"""The columns of a patient by their names in JSON."""

_ABSENT = literal(None, Text())
_DELETED = literal("deleted", Text())
VOLATILE = func.random().is_not(None)
"""Always true. Citus 13.0 builds an invalid INSERT from a query that calls stable functions, as those for JSON are, and
no volatile one (``AddPartitionKeyNotNullFilterToSelect``: a table of one shard has no partition key)."""


class json_fields(FunctionElement[str]):  # noqa: N801  named like an SQL function
    """A JSON object; the clauses are names and values in turns."""

    type = Text()
    inherit_cache = True


class json_field(FunctionElement[Any]):  # noqa: N801  named like an SQL function
    """The value of a JSON object's field; the clauses are the object and the name."""

    inherit_cache = True

    def __init__(self, fields: ColumnElement[str], name: str, type_: TypeEngine[Any]) -> None:
        super().__init__(fields, literal_column(f"'{name}'"))
        self.type = type_


@compiles(json_fields, "postgresql")
def _(element: json_fields, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_build_object({compiler.process(element.clauses, **options)}) AS TEXT)"


@compiles(json_fields, "sqlite")
def _(element: json_fields, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_object({compiler.process(element.clauses, **options)})"


@compiles(json_field, "postgresql")
def _(element: json_field, compiler: SQLCompiler, **options: Any) -> str:
    fields, name = (compiler.process(clause, **options) for clause in element.clauses)
    kind = element.type.compile(compiler.dialect)
    return f"CAST(CAST({fields} AS JSON) ->> {name} AS {kind})"


@compiles(json_field, "sqlite")
def _(element: json_field, compiler: SQLCompiler, **options: Any) -> str:
    # Without a cast: numbers are numbers in JSON, and times and dates are texts in SQLite.
    fields, name = (compiler.process(clause, **options) for clause in element.clauses)
    return f"json_extract({fields}, '$.' || {name})"


def patient_fields(source: FromClause) -> Fields:
    """Return the fields of a patient in a table or query."""
    return {name: source.c[column] for name, column in PATIENT_FIELDS.items()}


def payment_fields(
    patient_external_id: ColumnElement[str], patient: ColumnElement[int], cents: ColumnElement[int]
) -> Fields:
    """Return the fields of a payment; ``patient`` is the patient's row id."""
    return {"patientId": patient_external_id, "patient": patient, "cents": cents}


STORED_FIELDS = {
    Model.PATIENT: patient_fields(patients),
    Model.PAYMENT: payment_fields(patients.c.external_id, payments.c.patient_id, payments.c.amount_cents),
}
"""The fields of the stored rows by model; those of payments need the join with their patients."""


def as_json(fields: Fields) -> ColumnElement[str]:
    """Return the fields as a JSON object."""
    return json_fields(*(each for name, value in fields.items() for each in (literal_column(f"'{name}'"), value)))


def kept(
    history: int,
    model: Model,
    row: FromClause,
    *,
    kind: ColumnElement[str],
    before: Fields,
    after: ColumnElement[str],
    patient: ColumnElement[str] | None = None,
    new_patient: ColumnElement[str] | None = None,
) -> list[ColumnElement[Any]]:
    """Return the columns of ``row_changes`` for a stored row.

    Args:
        history: the id of the sync.
        row: the table of the row, or its alias; it has the times before.
        after: the JSON object with the fields after the sync; NULL if the row is deleted.
        patient, new_patient: the external ids of a payment's patient before and after the sync.
    """
    return [
        literal(history, row_changes.c.sync_id.type),
        literal(model.value, Text()),
        row.c.id,
        row.c.external_id,
        kind,
        _ABSENT if patient is None else patient,
        _ABSENT if patient is None or new_patient is None else func.nullif(new_patient, patient),
        as_json({**before, "created": row.c.created, "updated": row.c.updated}),
        after,
    ]


def deleted_patients(history: int) -> Select[Any]:
    """Select the stored patients as rows of ``row_changes`` that are deleted."""
    before = STORED_FIELDS[Model.PATIENT]
    return select(*kept(history, Model.PATIENT, patients, kind=_DELETED, before=before, after=_ABSENT))


def deleted_payments(history: int) -> Select[Any]:
    """Select the stored payments as rows of ``row_changes`` that are deleted."""
    patient = patients.c.external_id
    before = STORED_FIELDS[Model.PAYMENT]
    columns = kept(history, Model.PAYMENT, payments, kind=_DELETED, before=before, after=_ABSENT, patient=patient)
    return select(*columns).join_from(payments, patients, patients.c.id == payments.c.patient_id)


def keep(rows: Select[Any]) -> Insert:
    """Return the statement that writes what the query ``kept`` selects."""
    return insert(row_changes).from_select([column.name for column in row_changes.columns], rows.where(VOLATILE))
