"""The contract of SessionRepository."""

from datetime import UTC, datetime, timedelta

import msgspec

from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.sessions import LIFETIME, Session, issue, new_token
from practice import Practice

NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def stored_key(practice: Practice, *, days: int = 90) -> ApiKey:
    """Return a new key that the practice has stored."""
    key, _ = api_keys.issue("büro", Role.CLERK, days=days, at=NOW, others=())
    with practice.store.keys() as keys:
        keys.add(key)
    return key


def stored_session(practice: Practice, key: ApiKey, at: datetime = NOW) -> Session:
    """Return a new session that the practice has stored."""
    session = issue(key, new_token(), at)
    with practice.store.sessions() as sessions:
        sessions.add(session)
    return session


def found(practice: Practice, session: Session) -> tuple[Session, ApiKey] | None:
    with practice.store.reading() as reader:
        return reader.sessions.find(session.digest)


def test_a_session_is_found_with_its_key(practice: Practice) -> None:
    key, other = stored_key(practice), stored_key(practice)
    sessions = [stored_session(practice, key), stored_session(practice, other), stored_session(practice, key)]
    assert [found(practice, each) for each in sessions] == list(zip(sessions, (key, other, key), strict=True))
    with practice.store.sessions() as writing:
        assert writing.find(sessions[0].digest) == (sessions[0], key)


def test_an_unknown_session_is_not_found(practice: Practice) -> None:
    key = stored_key(practice)
    assert found(practice, issue(key, new_token(), NOW)) is None
    stored_session(practice, key)
    assert found(practice, issue(key, new_token(), NOW)) is None


def test_the_session_of_a_key_that_is_used_and_revoked_is_found_with_the_key_as_it_is_now(practice: Practice) -> None:
    key = stored_key(practice)
    session = stored_session(practice, key)
    with practice.store.keys() as keys:
        keys.use(key.id, NOW)
        keys.revoke(key.id, NOW + timedelta(hours=1))
    now = msgspec.structs.replace(key, last_used=NOW, revoked=NOW + timedelta(hours=1))
    assert found(practice, session) == (session, now)


def test_a_session_that_is_removed_is_gone_and_the_others_stay(practice: Practice) -> None:
    key = stored_key(practice)
    session, other = stored_session(practice, key), stored_session(practice, key)
    for _ in range(2):  # the second time there is none
        with practice.store.sessions() as sessions:
            sessions.remove(session.digest)
        assert found(practice, session) is None
        assert found(practice, other) == (other, key)


def test_expired_sessions_stay_until_they_are_pruned_and_the_others_stay_then(practice: Practice) -> None:
    key = stored_key(practice)
    first, second = (stored_session(practice, key, NOW + timedelta(microseconds=n)) for n in range(2))
    assert found(practice, first) == (first, key)
    with practice.store.sessions() as sessions:
        sessions.prune(NOW + LIFETIME)
    assert found(practice, first) is None
    assert found(practice, second) == (second, key)
