"""The log format of errors: where an error was raised, but never its message."""

import logging
import sys
from configparser import RawConfigParser
from pkgutil import resolve_name

import pytest

from project import PROJECT


@pytest.mark.parametrize("name", ["development.ini", "production.ini"])
def test_an_error_is_logged_without_its_message(name: str) -> None:
    settings = RawConfigParser()
    settings.read(PROJECT / name)
    formatter = resolve_name(settings["formatter_line"]["class"])(settings["formatter_line"]["format"])
    try:
        try:
            raise ValueError("Rick Deckard")
        except ValueError as error:
            raise RuntimeError("owes 17.22") from error
    except RuntimeError:
        record = logging.LogRecord("a.library", logging.ERROR, "", 1, "it failed", None, sys.exc_info())

    written = formatter.format(record)

    assert "it failed\n" in written
    assert written.endswith("RuntimeError")
    assert "ValueError" in written
    assert "test_safe_traceback.py" in written
    assert "Deckard" not in written
    assert "17.22" not in written
