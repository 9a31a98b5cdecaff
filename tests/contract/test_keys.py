"""The contract of KeyRepository."""

from datetime import UTC, datetime, timedelta

import msgspec

from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import ApiKey, WrongKeys, issue
from practice import Practice

NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
WINDOW = timedelta(minutes=1)


def key(role: Role = Role.READER, *, name: str = "büro", minutes: int = 0) -> ApiKey:
    return issue(name, role, days=90, at=NOW + timedelta(minutes=minutes), others=())[0]


def test_a_key_comes_back_as_it_was_added(practice: Practice) -> None:
    added = [key(role, minutes=minutes) for minutes, role in enumerate(Role)]
    with practice.store.keys() as keys:
        assert keys.all() == []
        for one in reversed(added):
            keys.add(one)
    with practice.store.keys() as keys:
        assert keys.all() == added
        assert [keys.get(one.id) for one in added] == added
        assert keys.get("unknown1") is None


def test_a_key_that_is_used_says_when(practice: Practice) -> None:
    first, second = key(), key(minutes=1)
    with practice.store.keys() as keys:
        keys.add(first)
        keys.add(second)
    for hours in (1, 2, 1):  # another process may be slower
        with practice.store.keys() as keys:
            keys.use(first.id, NOW + timedelta(hours=hours))
    with practice.store.keys() as keys:
        assert keys.all() == [msgspec.structs.replace(first, last_used=NOW + timedelta(hours=2)), second]


def test_a_key_that_is_revoked_stays_and_says_when(practice: Practice) -> None:
    first, second = key(), key(minutes=1)
    later = NOW + timedelta(days=1)
    with practice.store.keys() as keys:
        keys.add(first)
        keys.add(second)
    with practice.store.keys() as keys:
        keys.revoke(first.id, later)
    with practice.store.keys() as keys:
        assert keys.all() == [msgspec.structs.replace(first, revoked=later), second]


def counted(practice: Practice, address: str, seconds: float = 0) -> WrongKeys:
    with practice.store.keys() as keys:
        return keys.count_wrong(address, NOW + timedelta(seconds=seconds), WINDOW)


def test_wrong_keys_are_counted_for_each_address_from_the_first_one_on(practice: Practice) -> None:
    assert [counted(practice, "192.0.2.1", seconds).wrong for seconds in (0, 1, 59)] == [1, 2, 3]
    assert counted(practice, "2001:db8::1", 30) == WrongKeys(NOW + timedelta(seconds=30), 1)
    assert counted(practice, "192.0.2.1", 59.999999) == WrongKeys(NOW, 4)


def test_the_first_wrong_key_after_a_window_begins_a_new_one(practice: Practice) -> None:
    for _ in range(3):
        counted(practice, "192.0.2.1")
    later = NOW + timedelta(seconds=60)
    assert [counted(practice, "192.0.2.1", 60) for _ in range(2)] == [WrongKeys(later, 1), WrongKeys(later, 2)]


def test_a_process_whose_clock_is_behind_counts_on(practice: Practice) -> None:
    counted(practice, "192.0.2.1", 10)
    assert counted(practice, "192.0.2.1") == WrongKeys(NOW + timedelta(seconds=10), 2)


def test_windows_that_have_ended_are_forgotten_at_the_next_wrong_key(practice: Practice) -> None:
    for number in range(5):
        counted(practice, f"192.0.2.{number}", number)
    counted(practice, "192.0.2.9", 62)
    assert {number: counted(practice, f"192.0.2.{number}", 3).wrong for number in range(5)} == {
        0: 1,
        1: 1,
        2: 1,
        3: 2,
        4: 2,
    }
