"""The slots for syncs: looking for a free one takes none."""

import pytest

from paymentagg.domain.errors import SyncInProgress
from paymentagg.entrypoints.http.concurrency import SYNCS, Concurrency


def test_a_check_takes_no_slot() -> None:
    concurrency = Concurrency()
    for _ in range(SYNCS + 1):
        concurrency.check_sync_slot()
    releases = [concurrency.take_sync_slot() for _ in range(SYNCS)]
    with pytest.raises(SyncInProgress):
        concurrency.check_sync_slot()
    with pytest.raises(SyncInProgress):
        concurrency.take_sync_slot()
    releases[0]()
    concurrency.check_sync_slot()
