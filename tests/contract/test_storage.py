"""The contract of Storage apart from the rules of a sync: the lock and the transaction."""

from collections.abc import Iterator

import pytest

from builders import batch, patient, payment
from paymentagg.domain.batches import Batch
from paymentagg.domain.changes import Effect, diff
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import SyncInProgress
from paymentagg.domain.model import Model, Payment
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Snapshots, Terms
from practice import Given, Practice


def test_a_second_sync_is_told_that_another_is_running(practice: Practice) -> None:
    with practice.store.transaction() as first:
        first.lock()
        with pytest.raises(SyncInProgress), practice.store.transaction() as second:
            second.lock()


def test_a_sync_whose_snapshot_breaks_off_leaves_everything_as_it_was(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], payments=[payment("1")])
    before = practice.answers()

    def broken() -> Iterator[Batch[Payment]]:
        yield batch([payment("2")])
        raise OSError("the line is dead")

    with practice.store.transaction() as storage:
        storage.lock()
        with pytest.raises(OSError, match="the line is dead"):
            storage.payments.stage(broken())
        storage.discard()
    assert practice.answers() == before
    assert practice.sync(payments=[payment("1")]).models[Model.PAYMENT].unchanged == 1


def test_what_was_applied_is_gone_where_the_transaction_fails_later(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], payments=[payment("1")])
    before = practice.answers()

    def apply_and_fail() -> None:
        with practice.store.transaction() as storage:
            storage.lock()
            storage.payments.stage([batch([payment("2")])])
            storage.payments.pair()
            storage.payments.settle(diff(Model.PAYMENT, storage.payments.disputed()))
            assert storage.payments.apply(practice.clock(), delete=True, history=None) == Effect(created=1, deleted=1)
            raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        apply_and_fail()
    assert practice.answers() == before


def test_cents_may_be_written_with_leading_zeros_and_zero_with_a_sign(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    columns = (["1", "2", "3", "4"], ["5", "5", "5", "5"], ["050", "-000", "-005", "999999999999"])
    snapshots = Snapshots(payments=Given(Batch(Payment, range(1, 5), columns, [])))
    with practice.store.transaction() as storage:
        synchronize(storage, snapshots, Terms(DeletionLimit.parse("0", floor=0)), practice.clock)
    amounts = [str(view.amount) for view in practice.payments.values()]
    assert sorted(amounts) == ["-0.05", "0.00", "0.50", "9999999999.99"]
