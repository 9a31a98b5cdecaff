"""The output of paymentagg-sync."""

import io
import os
import pty
import re
from datetime import UTC, datetime
from threading import Event

from builders import payment, rejection
from paymentagg.domain.changes import Updated
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport, Report
from paymentagg.entrypoints.console.progress import Bar, Lines, Ticking
from paymentagg.entrypoints.console.terminal import CHANGES, SUMMARY, Steps, Terminal, printable
from paymentagg.entrypoints.safe_traceback import where

AT = datetime(2024, 2, 29, tzinfo=UTC)


class Screen:
    """A terminal that keeps what was written to standard output and standard error."""

    def __init__(self, verbosity: int = SUMMARY) -> None:
        self._out, self._err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        self.terminal = Terminal(self._out, self._err, verbosity=verbosity, color=False)

    @property
    def out(self) -> str:
        """All of standard output so far."""
        self._out.seek(0)
        return self._out.read()

    @property
    def err(self) -> str:
        """All of standard error so far."""
        self._err.seek(0)
        return self._err.read()


def test_only_models_that_the_report_has_get_a_line() -> None:
    screen = Screen()

    screen.terminal.outcome(Report(None, False, AT, AT, payments=ModelReport(rows=3, unchanged=3)))

    assert screen.out == "payments: 0 created, 0 updated, 0 deleted, 3 unchanged, 0 rejected\n"
    assert screen.err == ""


def test_suspended_deletions_are_explained() -> None:
    screen = Screen()

    part = ModelReport(rows=1, rejected=1, deletions_suspended="unreadable-external-id")
    screen.terminal.outcome(Report(None, False, AT, AT, patients=part))

    assert screen.err.startswith("patients: nothing was deleted: the external id of a row can't be read")


def test_a_rejected_row_without_an_id_or_a_field_is_named_by_its_number() -> None:
    screen = Screen()
    report = Report(None, False, AT, AT, errors=[rejection(3, None, "not-an-object", None)])

    screen.terminal.rejected(report, {Model.PATIENT: "a.json"}, None)

    assert screen.err == "a.json row 3: a row must be a JSON object (not-an-object)\n"


def test_the_value_of_a_rejected_row_is_shown_on_a_terminal_alone_since_other_output_may_be_logged() -> None:
    report = Report(
        None, False, AT, AT, errors=[rejection(3, "5", "invalid-date", "dateOfBirth", value="31.12.\u202e")]
    )
    screen = Screen()
    screen.terminal.rejected(report, {Model.PATIENT: "a.json"}, None)
    controller, terminal = pty.openpty()
    with os.fdopen(controller, "rb", buffering=0) as read, os.fdopen(terminal, "w", encoding="utf-8") as err:
        Terminal(None, err, verbosity=SUMMARY, color=False).rejected(report, {Model.PATIENT: "a.json"}, None)
        shown = read.read(1000).decode()

    message = ": a date must exist in the calendar and have the form YYYY-MM-DD (invalid-date)"
    assert screen.err == f"a.json row 3, 5, dateOfBirth{message}\n"
    assert shown == f'a.json row 3, 5, dateOfBirth "31.12.\\u202e"{message}\r\n'


def test_an_id_cannot_steer_the_terminal() -> None:
    assert printable("5\u202e\x1b[2J\n é") == r"5\u202e\x1b[2J\n é"


def test_changes_are_printed_from_verbosity_2_on() -> None:
    verbose, normal = Screen(CHANGES), Screen(SUMMARY)
    for screen in (verbose, normal):
        screen.terminal.change(Updated(Model.PAYMENT, "602", payment("602"), payment("602", amount="5")))

    assert (verbose.err, normal.err) == ("updated payment 602: amount 4.46 -> 5.00\n", "")


def test_json_is_printed_at_any_verbosity() -> None:
    screen = Screen(0)

    screen.terminal.json(Report(None, True, AT, AT))

    assert screen.out == (
        '{"id":null,"dryRun":true,"startedAt":"2024-02-29T00:00:00Z","finishedAt":"2024-02-29T00:00:00Z",'
        '"errors":[],"errorsOmitted":0}\n'
    )


def test_an_error_is_printed_at_any_verbosity() -> None:
    screen = Screen(0)
    screen.terminal.note("nothing of importance")
    screen.terminal.error("the disk is full")

    assert screen.err == "paymentagg-sync: error: the disk is full\n"


def test_progress_is_a_line_every_ten_seconds() -> None:
    now = 0.0
    lines: list[str] = []
    progress = Lines(lines.append, clock=lambda: now)
    progress.begin("payments.json", 4_000_000)
    for second in range(25):
        now = float(second)
        progress.read(100_000)
        progress.rows(1_000)

    assert lines == [
        "payments.json: 1,100,000 of 4,000,000 bytes (27 %), 10,000 rows read",
        "payments.json: 2,100,000 of 4,000,000 bytes (52 %), 20,000 rows read",
    ]


def test_a_bar_has_the_bytes_the_rows_and_how_many_a_second() -> None:
    stream = io.StringIO()
    bar = Bar(stream)
    bar.begin("payments.json", 4_000_000)
    bar.rows(1_000)
    bar.read(1_000_000)
    bar.tick()
    bar.end()

    assert re.search(
        r"reading payments\.json:  25%.* 1\.00M/4\.00M \[.*B/s, 1,000 rows, [0-9,]+ rows/s\]", stream.getvalue()
    )
    assert re.search(r"\[[0-9:]+<[0-9:]+, ", stream.getvalue()), "the time that it took, and the time left"


def test_a_phase_is_a_line_every_ten_seconds_too() -> None:
    now = 0.0
    lines: list[str] = []
    progress = Lines(lines.append, clock=lambda: now)
    progress.begin("payments.json", None)
    now = 4.0
    progress.enter("comparing payments")
    for second in range(5, 26):
        now = float(second)
        progress.tick()
    progress.end()

    assert lines == ["comparing payments: 6 s", "comparing payments: 16 s"]


def test_what_ticks_is_called_again_and_again_until_it_is_stopped() -> None:
    thrice = Event()
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        if len(calls) == 3:
            thrice.set()

    ticking = Ticking(call, seconds=0.001)
    assert thrice.wait(10)
    ticking.stop()
    count = len(calls)
    assert not Event().wait(0.02)
    assert len(calls) == count


def test_progress_of_a_pipe_knows_no_end() -> None:
    now = 0.0
    lines: list[str] = []
    progress = Lines(lines.append, clock=lambda: now)
    progress.begin("standard input", None)
    now = 10.0
    progress.read(5)

    assert lines == ["standard input: 5 bytes, 0 rows read"]


def test_a_step_says_when_it_begins_and_how_long_it_took() -> None:
    now = 0.0
    lines: list[str] = []
    steps = Steps(lines.append, clock=lambda: now)
    steps.begin("reading")
    now = 1.5
    steps.begin("committing")
    now = 1.75
    steps.end()
    steps.end()

    assert lines == ["reading …", "reading: 1.50 s", "committing …", "committing: 0.25 s"]


def test_where_an_error_came_from_holds_no_message() -> None:
    try:
        try:
            raise ValueError("Rick")
        except ValueError as cause:
            raise io.UnsupportedOperation("Deckard") from cause
    except io.UnsupportedOperation as error:
        text = where(error)

    lines = text.splitlines()
    assert [line for line in lines if not line.startswith("  File ")] == ["ValueError", "io.UnsupportedOperation"]
    assert all(f'File "{__file__}", line ' in line for line in lines if line.startswith("  File "))
    assert "Rick" not in text
    assert "Deckard" not in text
