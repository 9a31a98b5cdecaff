"""What becomes of a job when its process is to end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from practice import Practice
from stores import SqlStore

PROGRAM = """
import sys
from functional.pages.work.clerk import CALLER, LONG, Clerk, Gate
from paymentagg.app import build
from paymentagg.entrypoints.pages.work.desk import Desk

gate = Gate()
clerk = Clerk(Desk(build({"sqlalchemy.url": sys.argv[1]}), gate.take))
previewed = clerk.preview(patient=[{"externalId": "5", "firstName": "Rick", "lastName": "Deckard"}])
if sys.argv[2] == "previewing":
    gate.shut()
    clerk.upload(patient=[])
else:
    clerk.begin_to_apply(previewed)
"""


@pytest.mark.parametrize(("stage", "stored"), [("previewing", []), ("applying", ["5"])])
def test_a_process_waits_for_an_application_and_not_for_a_preview(
    sqlite_url: str, stage: str, stored: list[str]
) -> None:
    tests = str(Path(__file__).parents[3])
    subprocess.run(
        [sys.executable, "-c", PROGRAM, sqlite_url, stage],
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": tests},
    )
    store = SqlStore(sqlite_url)
    assert list(Practice(store).patients) == stored
    store.close()
