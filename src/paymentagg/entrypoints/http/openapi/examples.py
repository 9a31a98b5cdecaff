"""An example of each operation. Sent in the order of this file, the requests get these very answers, but for times."""

from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.history import ChangeKind, PaymentChange
from paymentagg.domain.model import Model, Payment
from paymentagg.domain.queries import PatientView, PaymentView
from paymentagg.domain.report import ModelReport, Report
from paymentagg.domain.statistics import Bin, Counts, Figures, SyncDay, TotalAfter
from paymentagg.entrypoints.http.responses import CSV, JSON, NDJSON, TEXT
from paymentagg.entrypoints.http.row_formats import Csv, Ndjson
from paymentagg.entrypoints.spreadsheet import Column


class Example(msgspec.Struct, frozen=True):
    """The parameters of a request by name, and by media type its body and its answer."""

    answers: dict[str, Any]
    parameters: dict[str, Any] = {}
    body: dict[str, Any] = {}


def _at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, second, tzinfo=UTC)


def _listed(*rows: msgspec.Struct) -> Example:
    fields = msgspec.structs.fields(rows[0])
    csv = Csv([Column(field.encode_name) for field in fields], attrgetter(*(field.name for field in fields)), bom=False)
    return Example({JSON: rows, NDJSON: Ndjson().encode(rows).decode(), CSV: (csv.head + csv.encode(rows)).decode()})


def _sent(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {JSON: rows, NDJSON: msgspec.json.Encoder(decimal_format="number").encode_lines(rows).decode()}


_FIRST = Report(1, False, _at(4), _at(4, 0, 2), patients=ModelReport(rows=2, created=2))
PATIENT_SYNC = Example(
    {JSON: _FIRST},
    body=_sent(
        [
            {"externalId": "5", "firstName": "Rick", "lastName": "Deckard", "dateOfBirth": "2094-02-01"},
            {"externalId": "8", "firstName": "Roy", "lastName": "Batti"},
        ]
    ),
)

_REJECTION = Rejection.of(Model.PAYMENT, 3, "602", "patientId", "unknown-patient", "6")
_SECOND = Report(
    2, False, _at(4, 1), _at(4, 1, 2), payments=ModelReport(rows=3, created=2, rejected=1), errors=[_REJECTION]
)
PAYMENT_SYNC = Example(
    {JSON: _SECOND},
    body=_sent(
        [
            {"externalId": "501", "patientId": "5", "amount": Decimal("4.46")},
            {"externalId": "601", "patientId": "8", "amount": "23.32"},
            {"externalId": "602", "patientId": "6", "amount": Decimal("2.29")},
        ]
    ),
)

_THIRD = Report(3, False, _at(5), _at(5, 0, 2), payments=ModelReport(rows=2, updated=1, unchanged=1))
SNAPSHOT_SYNC = Example(
    {JSON: _THIRD},
    body={
        "multipart/form-data": {
            "payments": '{"externalId":"501","patientId":"5","amount":7.10}\n'
            '{"externalId":"601","patientId":"8","amount":23.32}\n'
        }
    },
)

_DECKARD = PatientView(1, "5", "Rick", "Deckard", None, date(2094, 2, 1), _at(4), _at(4), Decimal("7.10"), 1)
_BATTI = PatientView(2, "8", "Roy", "Batti", None, None, _at(4), _at(4), Decimal("23.32"), 1)
PATIENTS = _listed(_DECKARD, _BATTI)
PATIENT = Example({JSON: _DECKARD}, {"externalId": "5"})

_PAYMENT = PaymentView(1, "501", "5", Decimal("7.10"), _at(4, 1), _at(5))
PAYMENTS = _listed(_PAYMENT, PaymentView(2, "601", "8", Decimal("23.32"), _at(4, 1), _at(4, 1)))
PAYMENT = Example({JSON: _PAYMENT}, {"externalId": "501"})

SYNCS = Example({JSON: [_THIRD, _SECOND, _FIRST]})
SYNC = Example({JSON: _SECOND}, {"id": 2})

_BEFORE, _AFTER = Payment("501", "5", Decimal("4.46")), Payment("501", "5", Decimal("7.10"))
_CHANGES = {JSON: [PaymentChange(3, _at(5), ChangeKind.UPDATED, 1, "501", _BEFORE, _AFTER)]}
CHANGES = Example(_CHANGES, {"id": 3})
REJECTIONS = Example({JSON: [_REJECTION]}, {"id": 2})
HISTORY = Example(_CHANGES, {"payment": "501"})

FIGURES = Example(
    {
        JSON: Figures(
            patients=2,
            payments=2,
            sum=Decimal("30.42"),
            mean_payment=Decimal("15.21"),
            mean_patient_total=Decimal("15.21"),
            median_patient_total=Decimal("15.21"),
            patients_without_payments=0,
            largest_patient_total=Decimal("23.32"),
            smallest_patient_total=Decimal("7.10"),
            last_good_sync=_at(5, 0, 2),
        )
    }
)
HISTOGRAM = Example(
    {
        JSON: [
            Bin(Decimal("0.00"), Decimal("10.00"), 1, Decimal("7.10")),
            Bin(Decimal("10.00"), Decimal("20.00"), 0, Decimal("0.00")),
            Bin(Decimal("20.00"), Decimal("30.00"), 1, Decimal("23.32")),
        ]
    },
    {"bins": 3},
)
DAYS = Example(
    {
        JSON: [
            SyncDay(
                _at(5).date(),
                3,
                Counts(created=2, updated=0, deleted=0, rejected=0),
                Counts(created=2, updated=1, deleted=0, rejected=1),
                TotalAfter(2, 2, Decimal("30.42")),
            )
        ]
    }
)

UNDO = Example(
    {JSON: Report(4, False, _at(6), _at(6, 0, 1), payments=ModelReport(rows=1, updated=1), undoes=3)}, {"id": 3}
)
HEALTH = Example({JSON: {"status": "ok"}})
METRICS = Example({TEXT: "paymentagg_database_up 1.0\n"})
DESCRIPTION = Example({JSON: {"openapi": "3.1.0", "info": {"title": "paymentagg"}, "paths": {}}})
