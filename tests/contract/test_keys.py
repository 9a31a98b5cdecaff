"""The contract of KeyRepository."""

from datetime import UTC, datetime, timedelta

import msgspec

from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import ApiKey, issue
from practice import Practice

NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


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
