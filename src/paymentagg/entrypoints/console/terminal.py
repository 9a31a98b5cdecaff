"""Output of the console scripts: the result on standard output, everything else on standard error."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from datetime import datetime

    from paymentagg.domain.changes import Change, Rejection
    from paymentagg.domain.model import Model, Patient, Payment
    from paymentagg.domain.report import Report

SUMMARY, CHANGES, STEPS = 1, 2, 3
"""The lowest verbosity at which each kind of output is printed."""

_RED, _YELLOW, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[0m"

_SUSPENDED = {
    "unreadable-external-id": "the external id of a row can't be read, and it might be any stored row",
    "mostly-rejected": "more than half of the rows were rejected, so it is probably the wrong file",
}


def moment(at: "datetime") -> str:
    """Return a UTC time in RFC 3339 format, to the second."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def printable(text: str) -> str:
    """Return the text with non-printable characters escaped, so that it can't control the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether the stream is open and a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def has_width(stream: TextIO | None) -> bool:
    """Return whether the stream is a terminal of known width: that of a serial line is 0."""
    try:
        return is_terminal(stream) and os.get_terminal_size(stream.fileno() if stream else -1).columns > 0
    except OSError:
        return False


def wants_color(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Return whether to print colours: on a capable terminal, unless NO_COLOR is set (https://no-color.org)."""
    return is_terminal(stream) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class Terminal:
    """Prints on standard output and standard error, as much as the verbosity allows.

    If a stream is None (closed by the parent process) or fails, its output is lost and the sync continues.
    """

    def __init__(
        self, out: TextIO | None, err: TextIO | None, *, verbosity: int, color: bool, program: str = "paymentagg-sync"
    ) -> None:
        self._program = program
        self._out = out
        self._err = err
        self.verbosity = verbosity
        self._color = color
        self.consequence = ""
        """What to add to the error that standard output can't be written."""
        self.failed = False
        """Whether standard output couldn't be written, such as on a full disk."""

    def error(self, message: str) -> None:
        """Print an error on standard error, whatever the verbosity."""
        self._print(f"{self._program}: {self._colored('error:', _RED)} {message}")

    def note(self, text: str, since: int = SUMMARY) -> None:
        """Print a text on standard error if the verbosity is at least ``since``."""
        if self.verbosity >= since:
            self._print(text)

    def change(self, change: "Change") -> None:
        """Print a changed row on standard error, with its fields before and after, from verbosity CHANGES on."""
        if self.verbosity >= CHANGES:
            self._print(_changed(change))

    def rejected(self, report: "Report", names: "Mapping[Model, str]", rejects: str | None) -> None:
        """Print the rejected rows that the report lists on standard error, with their values only on a terminal.

        Args:
            names: the name of the input file of each model.
            rejects: the file with all rejected rows, if there is one.
        """
        for rejection in report.errors:
            self.note(self._row(rejection, names[rejection.model]))
        if report.errors_omitted:
            if report.dry_run:
                where = "--rejects /dev/stdout prints them all"  # a dry run writes no file
            else:
                where = f"all of them are in {rejects}" if rejects else "--rejects FILE writes them all"
            self.note(f"… and {report.errors_omitted:,} more; {where}")

    def outcome(self, report: "Report", *, summary: bool = True) -> None:
        """Print the counts of each model on standard output; on standard error, suspended deletions and a dry run."""
        for model, part in report.models.items():
            if part.deletions_suspended:
                why = f"{_SUSPENDED[part.deletions_suspended]} ({part.deletions_suspended})"
                self.note(self._colored(f"{model.plural}: nothing was deleted: {why}", _YELLOW))
        if report.dry_run:
            self.note("dry run: nothing was changed")
        if summary and self.verbosity >= SUMMARY:
            for model, part in report.models.items():
                self.line(f"{model.plural}: {part}")

    def json(self, report: "Report") -> None:
        """Print the report as JSON on standard output, whatever the verbosity."""
        import msgspec  # imported late to keep --help fast

        self.line(msgspec.json.encode(report).decode())

    def _row(self, rejection: "Rejection", name: str) -> str:
        place = [f"{name} row {rejection.row}", printable(rejection.external_id or ""), rejection.field or ""]
        value = ""
        if rejection.value is not None and is_terminal(self._err):  # the output of a cron job is mailed or logged
            value = f' "{printable(rejection.value)}"'
        place_and_value = self._colored(", ".join(filter(None, place)) + value, _YELLOW)
        return f"{place_and_value}: {rejection.message} ({rejection.code})"

    def _colored(self, text: str, color: str) -> str:
        return f"{color}{text}{_RESET}" if self._color else text

    def _print(self, line: str) -> None:
        if self._err is None:  # print(file=None) would print on standard output
            return
        try:
            print(line, file=self._err, flush=True)
        except OSError:
            self._err = None

    def line(self, line: str) -> bool:
        """Print a line on standard output, whatever the verbosity; return whether that succeeded."""
        if self._out is None:
            return False
        try:
            self._out.buffer.write(line.encode() + b"\n")  # UTF-8 in any locale, since JSON requires it
            self._out.flush()
        except BrokenPipeError:
            self._out = None  # the reader has closed the pipe, such as head does
        except OSError as error:
            self._out = None
            self.failed = True
            self.error(f"the outcome can't be written to standard output: {error.strerror}{self.consequence}")
        return self._out is not None


def _changed(change: "Change") -> str:
    """Return one line about a change: all fields that have a value, or of an update those that differ."""
    before, after = _fields(getattr(change, "before", None)), _fields(getattr(change, "after", None))
    if before and after:
        differences = [name for name in after if before[name] != after[name]]
        told = [f"{name} {before[name] or '(none)'} -> {after[name] or '(none)'}" for name in differences]
    else:
        told = [f"{name} {value}" for name, value in (before or after).items() if value]
    return f"{type(change).__name__.lower()} {change.model} {printable(str(change.external_id))}: {', '.join(told)}"


def _fields(record: "Patient | Payment | None") -> dict[str, str]:
    """Return the fields of a record as they are printed; amounts first. A field without a value is empty."""
    if record is None:
        return {}
    names = zip(record.__struct_encode_fields__, record.__struct_fields__, strict=True)
    values = {shown: getattr(record, name) for shown, name in names if name != "external_id"}
    if "amount" in values:
        return {"amount": f"{values['amount']:.2f}", "patientId": printable(values["patientId"])}
    return {name: "" if value is None else printable(str(value)) for name, value in values.items()}


class Steps:
    """Reports each step of a sync and its duration in seconds."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._print = say
        self._clock = clock
        self._current: str | None = None
        self._since = 0.0

    def begin(self, step: str) -> None:
        """End the current step and begin another one."""
        self.end()
        self._current, self._since = step, self._clock()
        self._print(f"{step} …")

    def end(self) -> None:
        """End the current step, if there is one, and report its duration."""
        if self._current is not None:
            self._print(f"{self._current}: {self._clock() - self._since:.2f} s")
            self._current = None


def flush() -> None:
    """Flush standard output and error, so that a closed pipe causes no error when the interpreter shuts down."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
