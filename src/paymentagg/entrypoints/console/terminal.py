"""What the console scripts print: the outcome on standard output, everything else on standard error."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from datetime import datetime

    from paymentagg.domain.changes import Change, Rejection
    from paymentagg.domain.model import Model
    from paymentagg.domain.report import Report

SUMMARY, CHANGES, STEPS = 1, 2, 3
"""From which verbosity on each is printed."""

_RED, _YELLOW, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[0m"

_SUSPENDED = {
    "unreadable-external-id": "the external id of a row can't be read, and it might be any stored row",
    "mostly-rejected": "more than half of the rows were rejected, so it is probably the wrong file",
}


def moment(at: "datetime") -> str:
    """Return a time, which is in UTC, as people read it: to the second."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def printable(text: str) -> str:
    """Return the text with everything escaped that a terminal wouldn't show as it is."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def wants_color(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether colours can be shown, and https://no-color.org is not asked for."""
    return is_terminal(stream) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class Terminal:
    """Standard output and standard error, as far as the verbosity lets them be used.

    A stream may be None (closed by who started the process) or turn out to be broken: what would be printed
    there is lost then, and the sync goes on.
    """

    def __init__(
        self, out: TextIO | None, err: TextIO | None, *, verbosity: int, color: bool, program: str = "paymentagg-sync"
    ) -> None:
        self._program = program
        self._out = out
        self._err = err
        self.verbosity = verbosity
        self._color = color

    def error(self, message: str) -> None:
        """Say why the process ends; even the silent ones do."""
        self._say(f"{self._program}: {self._colored('error:', _RED)} {message}")

    def plain(self, text: str) -> None:
        """Say something that belongs to an error."""
        self._say(text)

    def note(self, text: str, since: int = SUMMARY) -> None:
        """Say something on standard error from this verbosity on."""
        if self.verbosity >= since:
            self._say(text)

    def change(self, change: "Change") -> None:
        self.note(f"{change.model} {printable(str(change.external_id))} {type(change).__name__.lower()}", CHANGES)

    def rejected(self, report: "Report", names: "Mapping[Model, str]", rejects: str | None) -> None:
        """Say which rows were rejected, as many as the report lists.

        Args:
            names: of the files that the rows of each model came from.
            rejects: the file that holds all of them, if there is one.
        """
        for rejection in report.errors:
            self.note(self._row(rejection, names[rejection.model]))
        if report.errors_omitted:
            where = f"all of them are in {rejects}" if rejects else "--rejects FILE writes them all"
            self.note(f"… and {report.errors_omitted:,} more; {where}")

    def outcome(self, report: "Report", *, summary: bool = True) -> None:
        """Say what was done with each model, and on standard error what that doesn't show."""
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
        """Print the report, whatever the verbosity: it was asked for."""
        import msgspec  # not with --help

        self.line(msgspec.json.encode(report).decode())

    def _row(self, rejection: "Rejection", name: str) -> str:
        place = [f"{name} row {rejection.row}", printable(rejection.external_id or ""), rejection.field or ""]
        return f"{self._colored(', '.join(filter(None, place)), _YELLOW)}: {rejection.message} ({rejection.code})"

    def _colored(self, text: str, color: str) -> str:
        return f"{color}{text}{_RESET}" if self._color else text

    def _say(self, line: str) -> None:
        if self._err is None:  # print() would take standard output instead
            return
        try:
            print(line, file=self._err, flush=True)
        except OSError:
            self._err = None

    def line(self, line: str) -> bool:
        """Print a line on standard output, whatever the verbosity; return whether it could be written."""
        if self._out is None:
            return False
        try:
            self._out.buffer.write(line.encode() + b"\n")  # JSON is UTF-8, whatever the locale says
            self._out.flush()
        except BrokenPipeError:
            self._out = None  # the reader has seen enough
        except OSError as error:
            self._out = None
            self.error(f"the outcome can't be written to standard output: {error.strerror}")
        return self._out is not None


class Steps:
    """Says which step begins, and how long the last one took."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._current: str | None = None
        self._since = 0.0

    def begin(self, step: str) -> None:
        self.end()
        self._current, self._since = step, self._clock()
        self._say(f"{step} …")

    def end(self) -> None:
        if self._current is not None:
            self._say(f"{self._current}: {self._clock() - self._since:.2f} s")
            self._current = None


def flush() -> None:
    """Flush standard output and error now; a reader who has left is no error when the interpreter shuts down."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
