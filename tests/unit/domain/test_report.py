from datetime import UTC, datetime
from random import Random

import msgspec
import pytest

from builders import patient, rejection
from paymentagg.domain.changes import Change, Created, Deleted, Rejection, Unchanged, Updated
from paymentagg.domain.model import Model
from paymentagg.domain.report import MAX_ERRORS, MAX_KEPT, ModelReport, Rejections, Report

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "counted"),
    [
        (Created(Model.PATIENT, "5", patient("5")), ModelReport(created=1)),
        (Updated(Model.PATIENT, "5", patient("5"), patient("5", first_name="Roy")), ModelReport(updated=1)),
        (Unchanged(Model.PATIENT, "5"), ModelReport(unchanged=1)),
        (Deleted(Model.PATIENT, "5", patient("5")), ModelReport(deleted=1)),
        (rejection(1, "5"), ModelReport(rejected=1)),
    ],
)
def test_each_change_adds_one_to_its_count(change: Change, counted: ModelReport) -> None:
    part = ModelReport()
    part.count(change)
    assert part == counted


def test_the_report_is_the_json_of_the_contract() -> None:
    part = ModelReport(rows=4, created=3, rejected=1)
    report = Report(7, False, NOON, NOON, patients=part, errors=[rejection(2, "5", "blank", "firstName")])
    assert msgspec.to_builtins(report) == {
        "id": 7,
        "dryRun": False,
        "startedAt": "2026-01-01T12:00:00Z",
        "finishedAt": "2026-01-01T12:00:00Z",
        "patients": {
            "rows": 4,
            "created": 3,
            "updated": 0,
            "unchanged": 0,
            "rejected": 1,
            "deleted": 0,
            "deletionsSuspended": None,
        },
        "errors": [
            {
                "model": "patient",
                "row": 2,
                "externalId": "5",
                "field": "firstName",
                "code": "blank",
                "message": "this field must not be blank",
                "value": None,
            }
        ],
        "errorsOmitted": 0,
    }


def test_a_report_survives_json() -> None:
    report = Report(7, False, NOON, NOON, payments=ModelReport(rows=1, created=1), errors=[rejection(2, None)])
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_a_report_that_was_stored_before_values_were_can_be_read() -> None:
    stored = b'{"model":"patient","row":2,"externalId":null,"field":null,"code":"missing","message":"required"}'
    assert msgspec.json.decode(stored, type=Rejection).value is None


def test_a_model_that_was_not_touched_is_not_in_the_report() -> None:
    assert list(Report(7, False, NOON, NOON, payments=ModelReport()).models) == [Model.PAYMENT]


def test_the_models_are_listed_patients_first() -> None:
    report = Report(7, False, NOON, NOON, payments=ModelReport(), patients=ModelReport())
    assert list(report.models) == [Model.PATIENT, Model.PAYMENT]


def test_rejected_rows_of_both_models_are_summed() -> None:
    assert Report(7, False, NOON, NOON, ModelReport(rejected=2), ModelReport(rejected=3)).rejected == 5


@pytest.mark.parametrize("part", [ModelReport(created=1), ModelReport(updated=1), ModelReport(deleted=1)], ids=str)
def test_a_sync_that_wrote_a_row_changed_something(part: ModelReport) -> None:
    assert Report(7, False, NOON, NOON, ModelReport(), part).changed


@pytest.mark.parametrize("part", [ModelReport(unchanged=1), ModelReport(rejected=1)], ids=str)
def test_a_sync_that_wrote_no_row_changed_nothing(part: ModelReport) -> None:
    assert not Report(7, False, NOON, NOON, ModelReport(), part).changed


def test_the_report_of_a_model_shows_its_counts_as_the_console_prints_them() -> None:
    part = ModelReport(rows=11, created=4, updated=3, unchanged=2, rejected=2, deleted=1)
    assert str(part) == "4 created, 3 updated, 1 deleted, 2 unchanged, 2 rejected"


def test_the_first_hundred_rejections_are_kept_in_order_whatever_order_they_come_in() -> None:
    everything = [rejection(row, None, model=model) for model in Model for row in range(1, 81)]
    rejections = Rejections()
    for each in Random(0).sample(everything, len(everything)):  # noqa: S311  shuffled, not secret
        rejections.add(each)
    assert rejections.first == everything[:MAX_ERRORS]
    assert rejections.count == 160


def test_the_first_ten_thousand_rejections_are_kept_in_order_and_without_their_rows() -> None:
    everything = [rejection(row, None, model=model) for model in Model for row in range(1, 5_101)]
    rejections = Rejections()
    for each in Random(0).sample(everything, len(everything)):  # noqa: S311  shuffled, not secret
        rejections.add(each.with_row(b"{}"))
    assert rejections.kept == everything[:MAX_KEPT]
    assert rejections.count == 10_200
