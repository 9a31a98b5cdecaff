"""Files for an upload, as they are chosen in a browser: in memory, or on the disk if they are large."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import FilePayload

from browser import believable
from builders import array

Row = Mapping[str, Any]


def json_file(name: str, rows: Iterable[Row]) -> FilePayload:
    """Return a file with the rows in a JSON array."""
    return {"name": f"{name}.json", "mimeType": "application/json", "buffer": array(*rows)}


def patients_of(day: int) -> FilePayload:
    """Return the file of patients on a day."""
    return json_file("patients", believable.patients(day))


def payments_of(day: int) -> FilePayload:
    """Return the file of payments on a day."""
    return json_file("payments", believable.payments(day))


def cut_off(day: int, kept: int) -> FilePayload:
    """Return the file of payments on a day with the first rows only."""
    return json_file("payments", believable.unharmed(day)[:kept])


def large(folder: Path, rows: Iterable[Row]) -> Path:
    """Write a file of payments row by row, and return its path."""
    path = folder / "payments.ndjson"
    with path.open("w") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)
    return path
