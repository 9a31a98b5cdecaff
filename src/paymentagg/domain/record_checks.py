"""Checks of the record of syncs and of the history: pure, one row after the other."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport, Report
from paymentagg.domain.verification import Check, Finding


class RecordedSync(msgspec.Struct, frozen=True):
    """A row of the record of syncs, and how many rows of its history and of its rejections are kept by model."""

    id: int
    started_at: str
    finished_at: str
    changed: bool
    report: str
    undoes: int | None
    ordered: bool
    """Whether it was recorded by a version that makes times increase even if the clock was set back."""
    figures: dict[str, int]
    """The counts that are kept beside the report: ``patients_created``, ..."""
    after: dict[Model, int | None]
    """How many rows were stored after the sync; None if that wasn't recorded."""
    history: dict[Model, int]
    rejections: dict[Model, int]


class Record:
    """The syncs seen so far. ``rows`` is how many rows of each model there must be after them."""

    def __init__(self) -> None:
        self.rows = dict.fromkeys(Model, 0)
        self.is_complete = True
        """Whether all reports could be read."""
        self.without_history: dict[Model, list[int]] = {model: [] for model in Model}
        """The ids of the syncs that changed rows and whose history of them isn't complete, in order."""
        self.last_undo = 0
        """The id of the last sync that has taken back another one; 0 if there is none."""
        self._last_start: datetime | None = None

    def check(self, sync: RecordedSync) -> Iterator[Finding]:
        """Check the next sync; they come in the order of their ids."""
        subject = f"sync {sync.id}"
        started, finished = _time(sync.started_at), _time(sync.finished_at)
        if (
            started is None
            or finished is None
            or (sync.ordered and (finished < started or (self._last_start is not None and started <= self._last_start)))
        ):
            yield Finding(Check.SYNC_TIMES, subject)
        self._last_start = started or self._last_start
        if sync.undoes is not None:
            self.last_undo = sync.id
            if not 0 < sync.undoes < sync.id:
                yield Finding(Check.UNDO, subject)
        try:
            report = msgspec.json.decode(sync.report, type=Report)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            self.is_complete = False
            yield Finding(Check.REPORT, subject)
            return
        if (
            report.dry_run
            or report.started_at != started
            or report.finished_at != finished
            or report.changed != sync.changed
        ):
            yield Finding(Check.REPORT, subject)
        for model in Model:
            yield from self._check_counts(sync, model, report.models.get(model, ModelReport()))
        if self._has_wrong_figures(sync, report):
            yield Finding(Check.FIGURES, subject)
        yield from self._check_history(sync, report)

    def check_rows(self, model: Model, stored: int) -> Iterator[Finding]:
        """Check the number of stored rows of a model, when all syncs were seen."""
        if self.is_complete and self.rows[model] != stored:
            yield Finding(Check.ROW_COUNT, f"{model.plural}: {stored:,} instead of {self.rows[model]:,}:")

    def is_known(self, model: Model, since: int, until: int | None = None) -> bool:
        """Return whether all changes of a model's rows between two syncs are kept, without those of these two."""
        unknown = self.without_history[model]
        place = bisect_right(unknown, since)
        return place == len(unknown) or (until is not None and unknown[place] >= until)

    def _check_counts(self, sync: RecordedSync, model: Model, part: ModelReport) -> Iterator[Finding]:
        self.rows[model] += part.created - part.deleted
        subject = f"sync {sync.id} ({model.plural})"
        if part.rows != part.created + part.updated + part.unchanged + part.rejected:
            yield Finding(Check.REPORT_COUNTS, subject)
        if sync.rejections[model] > part.rejected:
            yield Finding(Check.REJECTIONS, subject)

    def _has_wrong_figures(self, sync: RecordedSync, report: Report) -> bool:
        for name, number in sync.figures.items():
            plural, _, count = name.partition("_")
            parts = (part for model, part in report.models.items() if model.plural == plural)
            if number != getattr(next(parts, ModelReport()), count):
                return True
        known = ((self.rows[model], number) for model, number in sync.after.items() if number is not None)
        return self.is_complete and any(rows != number for rows, number in known)

    def _check_history(self, sync: RecordedSync, report: Report) -> Iterator[Finding]:
        """Check that all rows that a sync updated and deleted are in its history, or none, or all but the erased."""
        replaced = {
            model: part.updated + part.deleted for model, part in report.models.items() if part.updated or part.deleted
        }
        is_erased = bool(report.history_erased)  # not set is false
        for model in Model:
            rows, kept = replaced.get(model, 0), sync.history[model]
            if kept and kept != rows and not (is_erased and kept < rows):
                yield Finding(Check.HISTORY_COUNT, f"sync {sync.id} ({model.plural}), {kept:,} instead of {rows:,},")
            if rows and (is_erased or not kept):
                self.without_history[model].append(sync.id)
        missing = {model: rows - sync.history[model] for model, rows in replaced.items()}
        # Of a model without any, they may have been erased, or never been kept: an undone first load isn't.
        least = sum(rows for model, rows in missing.items() if sync.history[model])
        erased = report.history_erased or 0
        if is_erased and any(sync.history.values()) and not least <= erased <= sum(missing.values()):
            number = f"{sum(missing.values()):,} rows fewer instead of {erased:,}"
            yield Finding(Check.HISTORY_COUNT, f"sync {sync.id}, {number},")


class PatientState(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of a patient in the history."""

    first_name: str
    last_name: str
    middle_name: str | None
    date_of_birth: str | None


class PaymentState(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of a payment in the history; ``patient`` is the id of the patient's row."""

    patient_id: str
    patient: int
    cents: int


State = PatientState | PaymentState


class KeptChange(msgspec.Struct, frozen=True):
    """A row of the history, and the stored row with the same id; ``stored`` is None if there is none."""

    sync: int
    row: int
    external_id: str
    before: str
    after: str | None
    stored_external_id: str | None
    stored: State | None


class RowHistory:
    """The history of one model's rows. Each change must begin with what the one before it has left."""

    def __init__(self, model: Model, record: Record) -> None:
        self._model = model
        self._record = record
        self._decoder: msgspec.json.Decoder[State] = msgspec.json.Decoder(
            PatientState if model is Model.PATIENT else PaymentState
        )
        self._last: KeptChange | None = None
        self._left: State | None = None
        """The fields that the last change has left; None if they can't be read."""

    def check(self, change: KeptChange) -> Iterator[Finding]:
        """Check the next change; they are ordered by row, then sync."""
        before, after = self._read(change.before), self._read(change.after)
        if before is None or (after is None and change.after is not None):
            yield Finding(Check.HISTORY_JSON, f"sync {change.sync}, {self._subject(change)}")
        last = self._last
        if last is not None and last.row == change.row:
            if None not in (self._left, before) and (
                last.external_id != change.external_id
                or (self._left != before and self._record.is_known(self._model, last.sync, change.sync))
            ):
                yield Finding(Check.HISTORY_ROW, f"sync {change.sync}, {self._subject(change)}")
        else:
            yield from self.check_last()
        self._last = change
        self._left = before if change.after is None else after

    def check_last(self) -> Iterator[Finding]:
        """Check the last change of a row against the stored row."""
        last = self._last
        if last is None or self._left is None or not self._record.is_known(self._model, last.sync):
            return
        if last.stored is None:
            agrees = last.after is None
        elif last.after is None and self._record.last_undo <= last.sync:
            agrees = False  # a deleted row is stored again only if its deletion was taken back
        else:
            agrees = last.stored == self._left and last.stored_external_id == last.external_id
        if not agrees:
            yield Finding(Check.HISTORY_ROW, self._subject(last))

    def _read(self, text: str | None) -> State | None:
        try:
            return None if text is None else self._decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def _subject(self, change: KeptChange) -> str:
        return f"{self._model} {change.external_id}"


def _time(text: str) -> datetime | None:
    """Return the time that an engine has written; None if it can't be read. SQLite writes no zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
