"""What must hold for a database: the checks by name, and what they find."""

import enum

import msgspec


class Check(enum.StrEnum):
    """What is checked; each value is the name of the check in the output of ``paymentagg-verify``."""

    SCHEMA = "schema"
    STRUCTURE = "structure"
    INDEX = "index"
    WORKING_TABLES = "working-tables"
    DUPLICATE_ID = "duplicate-id"
    TEXT = "text"
    DATE = "date"
    AMOUNT = "amount"
    SEARCH_NAME = "search-name"
    TIMES = "times"
    UNRECORDED_TIME = "unrecorded-time"
    ORPHAN = "orphan"
    MISSING_TOTAL = "missing-total"
    SURPLUS_TOTAL = "surplus-total"
    TOTAL = "total"
    PAYMENT_COUNT = "payment-count"
    ROW_COUNT = "row-count"
    REPORT = "report"
    REPORT_COUNTS = "report-counts"
    FIGURES = "figures"
    SYNC_TIMES = "sync-times"
    SYNC_KEY = "sync-key"
    UNDO = "undo"
    HISTORY_SYNC = "history-sync"
    HISTORY_COUNT = "history-count"
    HISTORY_JSON = "history-json"
    HISTORY_ROW = "history-row"
    REJECTIONS = "rejections"


MESSAGES = {
    Check.SCHEMA: "is missing, or isn't enforced",
    Check.STRUCTURE: "the database's own check fails",
    Check.INDEX: "doesn't have as many entries as the table has rows",
    Check.WORKING_TABLES: "must be empty between syncs",
    Check.DUPLICATE_ID: "is stored more than once",
    Check.TEXT: "breaks a rule for ids and names",
    Check.DATE: "isn't a date from 0001-01-01 to 9999-12-31",
    Check.AMOUNT: "isn't a number of whole cents in the range of amounts",
    Check.SEARCH_NAME: "has a search name that isn't made of the names and the external id",
    Check.TIMES: "was updated before it was created",
    Check.UNRECORDED_TIME: "has a time at which no recorded sync has started",
    Check.ORPHAN: "belongs to a patient who isn't stored",
    Check.MISSING_TOTAL: "has no payment total",
    Check.SURPLUS_TOTAL: "has a payment total, but isn't stored",
    Check.TOTAL: "has a payment total that isn't the sum of the payments",
    Check.PAYMENT_COUNT: "has a number of payments that isn't the right one",
    Check.ROW_COUNT: "the number of rows isn't what the recorded syncs created less what they deleted",
    Check.REPORT: "has a report that can't be read, or that isn't about this sync",
    Check.REPORT_COUNTS: "has a report whose rows aren't those created, updated, unchanged and rejected",
    Check.FIGURES: "has recorded other figures than those of its report, or of the rows after it",
    Check.SYNC_TIMES: "ended before it started, or didn't start after the sync before it",
    Check.SYNC_KEY: "was done with an API key that isn't stored",
    Check.UNDO: "takes back a sync that isn't an earlier one",
    Check.HISTORY_SYNC: "has a history, but isn't recorded",
    Check.HISTORY_COUNT: "has lost or added rows of its history",
    Check.HISTORY_JSON: "has a history that can't be read",
    Check.HISTORY_ROW: "doesn't agree with its history",
    Check.REJECTIONS: "has more rejected rows than its report counts, or isn't recorded",
}
"""What is wrong, for each check. It follows the subject of a finding."""


class Finding(msgspec.Struct, frozen=True):
    """Something that doesn't hold. ``subject`` names the place: no name, date of birth or amount is in it."""

    check: Check
    subject: str

    def __str__(self) -> str:
        """Return the finding in one line."""
        return f"{self.check}: {self.subject} {MESSAGES[self.check]}"


class Verified(msgspec.Struct, frozen=True):
    """How many rows were checked."""

    patients: int
    payments: int
    syncs: int
