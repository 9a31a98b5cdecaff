"""The server's log as JSON lines, for programs that collect logs."""

import logging
from datetime import UTC, datetime

import msgspec

from paymentagg.entrypoints import request_id
from paymentagg.entrypoints.safe_traceback import where


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object; errors as ``safe_traceback.Formatter`` does, without their messages."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a newline."""
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = request_id.current.get()
        if request is not None:
            line["request"] = request
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line["exception"] = where(error)
        return msgspec.json.encode(line).decode()


def use_json() -> None:
    """Let all handlers of all loggers write JSON lines, whatever format the ini file gives them."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):  # a PlaceHolder has none
            handler.setFormatter(JsonFormatter())
