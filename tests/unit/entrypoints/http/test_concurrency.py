"""The slots for syncs: looking for a free one takes none."""

import pytest

from paymentagg.domain.errors import SyncInProgress
from paymentagg.entrypoints.http.concurrency import SYNCS, SYNCS_OF_ALL, Concurrency


def test_a_check_takes_no_slot() -> None:
    concurrency = Concurrency()
    for _ in range(SYNCS + 1):
        concurrency.check_sync_slot(None)
    releases = [concurrency.take_sync_slot(None) for _ in range(SYNCS)]
    with pytest.raises(SyncInProgress):
        concurrency.check_sync_slot(None)
    with pytest.raises(SyncInProgress):
        concurrency.take_sync_slot(None)
    releases[0]()
    concurrency.check_sync_slot(None)


def test_syncs_of_many_practices_run_side_by_side() -> None:
    concurrency = Concurrency()
    releases = [concurrency.take_sync_slot(f"practice_{number}") for number in range(SYNCS_OF_ALL)]
    for practice in ("practice_0", "another"):
        with pytest.raises(SyncInProgress):
            concurrency.check_sync_slot(practice)
    releases[0]()
    concurrency.take_sync_slot("practice_1")


def test_a_practice_takes_no_more_than_its_part() -> None:
    concurrency = Concurrency()
    for _ in range(SYNCS):
        concurrency.take_sync_slot("north")
    with pytest.raises(SyncInProgress):
        concurrency.take_sync_slot("north")
    concurrency.take_sync_slot("south")
