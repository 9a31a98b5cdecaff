"""The number of a rejected row leads to its place in the file."""

import json
from pathlib import Path

import pytest
from webtest import TestApp

from api import JSON, NDJSON, post
from builders import array, patient_row
from command import Command

ROW = json.dumps(patient_row("5")).encode()
LINES = b"\n" + ROW + b"\n\n\r\n" + b'{"externalId": "bad"}\n' + b"\nnull"


@pytest.mark.parametrize(
    ("media", "body", "rows"), [(NDJSON, LINES, [5, 7]), (JSON, array(0, {}, patient_row()), [1, 2])]
)
def test_rows_count_lines_in_ndjson_and_rows_in_an_array(
    app: TestApp, media: str, body: bytes, rows: list[int]
) -> None:
    assert [error["row"] for error in post(app, "/patients", body, media).json["errors"]] == rows


def test_an_unreadable_line_is_named(app: TestApp) -> None:
    assert post(app, "/patients", LINES + b"\n\n{", NDJSON, status=400).json["row"] == 9


def test_the_console_counts_lines_too(tmp_path: Path) -> None:
    command = Command(tmp_path, None)
    done = command.run("--patients", "-", "--json", stdin=LINES)
    assert [error["row"] for error in json.loads(done.stdout)["errors"]] == [5, 7]
    printed = command.run("--patients", command.write("patients.ndjson", LINES)).stderr.decode()
    assert "row 5, bad" in printed
    assert "row 7: " in printed
