"""Sessions of browsers: their tokens, how long they last, and whom they let in."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from paymentagg.domain import api_keys
from paymentagg.domain.access import Principal, Role
from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.sessions import LIFETIME, digest_of, is_token, issue, new_token, opened

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def key(days: int = 90) -> ApiKey:
    return api_keys.issue("a", Role.CLERK, days=days, at=NOW, others=())[0]


def test_a_token_is_random_and_only_its_digest_is_in_the_session() -> None:
    token = new_token()
    assert is_token(token)
    assert token != new_token()
    session = issue(key(), token, NOW)
    assert session.digest == digest_of(token)
    assert token not in repr(session)


@pytest.mark.parametrize(
    "text", ["", "x" * 42, "x" * 44, "x" * 42 + "\n", "x" * 43 + "\n", "x" * 42 + "é", "x" * 42 + "="]
)
def test_a_text_of_another_form_is_no_token(text: str) -> None:
    assert is_token("x" * 43)
    assert not is_token(text)


def test_a_session_lasts_twelve_hours() -> None:
    clerk = key()
    session = issue(clerk, new_token(), NOW)
    assert session.expires == NOW + timedelta(hours=12)
    assert opened(session, clerk, NOW + LIFETIME - MOMENT) == Principal(clerk.id, Role.CLERK)
    assert opened(session, clerk, NOW + LIFETIME) is None


def test_a_session_does_not_outlast_its_key() -> None:
    clerk, signed_in = key(days=1), NOW + timedelta(hours=20)
    session = issue(clerk, new_token(), signed_in)
    assert session.expires == clerk.expires
    assert opened(session, clerk, clerk.expires - MOMENT) is not None
    assert opened(session, clerk, clerk.expires) is None


def test_a_session_ends_with_its_key() -> None:
    clerk = key()
    session = issue(clerk, new_token(), NOW)
    assert opened(session, msgspec.structs.replace(clerk, revoked=NOW), NOW) is None
    assert opened(session, msgspec.structs.replace(clerk, expires=NOW), NOW) is None


def test_nobody_is_let_in_without_a_session_and_its_key() -> None:
    clerk = key()
    assert opened(None, None, NOW) is None
    assert opened(None, clerk, NOW) is None
    assert opened(issue(clerk, new_token(), NOW), None, NOW) is None
