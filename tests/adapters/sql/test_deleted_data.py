"""On SQLite, data of patients that was deleted or replaced remains in no file of the database but its history."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from builders import patient, payment
from paymentagg.domain.model import Patient
from paymentagg.domain.queries import PatientQuery
from practice import Practice
from stores import SqlStore

MARK = "Zq7x"
"""Begins the names of all patients that are deleted or renamed."""

KEPT = [patient(f"kept-{number}") for number in range(1_000)]


@pytest.mark.parametrize("deleted", [1, 1_000])
def test_a_sync_that_deletes_patients_leaves_nothing_of_them(practice: Practice, tmp_path: Path, deleted: int) -> None:
    practice.sync(patients=interleaved(deleted), payments=[payment("of-kept", "kept-0")])
    assert MARK in contents(tmp_path)

    practice.sync(patients=KEPT, keep_history=False)

    assert MARK not in contents(tmp_path)


def test_a_sync_that_renames_patients_leaves_nothing_of_their_old_names(practice: Practice, tmp_path: Path) -> None:
    practice.sync(patients=interleaved(1_000))
    practice.sync(patients=[*KEPT, *(patient(f"gone-{number}") for number in range(1_000))], keep_history=False)
    assert MARK not in contents(tmp_path)


def test_a_reader_neither_delays_nor_fails_the_sync_and_the_next_one_makes_up_for_it(
    practice: Practice, store: SqlStore, tmp_path: Path
) -> None:
    practice.sync(patients=interleaved(1_000))
    with closing(store.export()) as export:
        rows = export.patients(PatientQuery())
        next(rows)
        practice.sync(patients=KEPT, keep_history=False)
        assert MARK in contents(tmp_path)
        assert sum(map(len, rows)) == 1_000

    practice.sync(patients=KEPT, keep_history=False)

    assert MARK not in contents(tmp_path)


def interleaved(count: int) -> list[Patient]:
    """Return the patients that are kept, and after each of the first ``count`` one that is not."""
    rows = []
    for number, kept in enumerate(KEPT):
        rows.append(kept)
        if number < count:
            rows.append(patient(f"gone-{number}", last_name=f"{MARK}{number}", middle_name=f"{MARK}{number}"))
    return rows


def contents(folder: Path) -> str:
    """Return the bytes of all files of the database."""
    files = sorted(folder.glob("paymentagg.sqlite*"))
    assert files
    return "".join(file.read_bytes().decode("latin-1") for file in files)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SqlStore]:
    store = SqlStore(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def practice(store: SqlStore) -> Practice:
    return Practice(store)
