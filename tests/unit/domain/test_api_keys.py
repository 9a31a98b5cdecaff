"""API keys: how they are issued, and when they grant access."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from paymentagg.domain.access import Principal, Role
from paymentagg.domain.api_keys import ApiKey, EndedKey, KeyState, Token, checksum, issue, opened, parse, successor
from paymentagg.domain.errors import InvalidParameter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def new(name: str = "billing", role: Role = Role.READER, days: int = 90, *others: ApiKey) -> tuple[ApiKey, str]:
    return issue(name, role, days=days, at=NOW, others=others)


def secret_of(text: str) -> str:
    parsed = parse(text)
    assert parsed is not None
    return parsed.secret


def test_a_key_is_a_public_id_and_256_random_bits_and_a_checksum_and_only_a_digest_is_stored() -> None:
    key, text = new()
    assert re.fullmatch(r"pagg_[0-9a-z]{8}_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}", text)
    assert parse(text) == Token(key.id, text[14:57], None)
    assert text[14:57] not in repr(key)
    assert new()[1] != text


def test_the_right_secret_grants_access_until_the_key_expires() -> None:
    key, text = new(role=Role.SYNCER)
    for at in (NOW, key.expires - SECOND):
        assert opened(key, secret_of(text), at) == Principal(key.id, Role.SYNCER)
    assert opened(key, secret_of(text), key.expires) == EndedKey(key.id, KeyState.EXPIRED)
    assert key.expires == NOW + timedelta(days=90)


def test_a_wrong_secret_a_revoked_key_and_an_unknown_key_grant_no_access() -> None:
    key, text = new()
    assert opened(key, secret_of(new()[1]), NOW) is None
    assert opened(key, secret_of(text).swapcase(), NOW) is None
    revoked = msgspec.structs.replace(key, revoked=NOW)
    assert opened(revoked, secret_of(text), NOW) == EndedKey(key.id, KeyState.REVOKED)
    assert opened(revoked, secret_of(new()[1]), NOW) is None
    assert opened(None, secret_of(text), NOW) is None


def test_the_checksum_is_the_crc_32_of_all_before_it_in_six_digits_of_base_62() -> None:
    assert checksum("123456789") == "3jZRME"  # 0xCBF43926, the check value of CRC-32
    assert checksum("") == "000000"
    _, text = new()
    assert text[57:] == checksum(text[:57])


@pytest.mark.parametrize("at", [5, 12, 14, 56, 57, 62])
def test_a_key_with_a_wrong_character_is_no_key_and_one_without_a_checksum_is(at: int) -> None:
    key, text = new()
    assert parse(text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]) is None
    assert parse(text[:-6]) == Token(key.id, text[14:57], None)
    assert parse(text[:-1]) is None


@pytest.mark.parametrize(
    "text",
    ["", "pagg_", "pagg_abcd1234", "abcd1234_" + "x" * 43, "pagg_abcd1234_" + "x" * 42, "pagg_ABCD1234_" + "x" * 43],
)
def test_a_text_that_is_no_key_is_not_parsed(text: str) -> None:
    assert parse(text) is None
    assert parse(new()[1] + text + "\n") is None


def test_the_key_of_a_practice_names_it_and_has_a_checksum() -> None:
    key, text = issue("billing", Role.READER, days=90, at=NOW, others=(), practice="north_1")
    assert re.fullmatch(r"pagg_north_1\.[0-9a-z]{8}_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}", text)
    token = parse(text)
    assert token is not None
    assert (token.key_id, token.practice) == (key.id, "north_1")
    assert opened(key, token.secret, NOW) == Principal(key.id, Role.READER)
    again = parse(successor(key, days=90, at=NOW, others=(), practice="north_1")[1])
    assert again is not None
    assert again.practice == "north_1"
    assert parse(text[:-6]) is None
    assert parse(text.replace("north_1", "south_1")) is None


@pytest.mark.parametrize("name", ["public", "pg_x", "North", "", "a.b", "a-b", "x" * 32])
def test_a_key_names_no_practice_that_cant_be_one(name: str) -> None:
    text = new()[1].replace("pagg_", f"pagg_{name}.")[:-6]
    assert parse(text + checksum(text)) is None


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_a_key_lives_for_365_days_at_most(days: int) -> None:
    assert new(days=365)[0].expires == NOW + timedelta(days=365)
    with pytest.raises(InvalidParameter, match=r"^expires-in: must be 1 to 365 days"):
        new(days=days)


@pytest.mark.parametrize("name", ["", " billing", "billing\n", "bill\ning", "x" * 101])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^name: "):
        new(name)


def test_at_most_two_keys_of_one_name_and_role_are_live() -> None:
    first, _ = new()
    second, _ = successor(first, days=90, at=NOW, others=[first])
    assert (second.name, second.role) == (first.name, first.role)
    with pytest.raises(InvalidParameter, match=f"{first.id} and {second.id}"):
        new("billing", Role.READER, 90, first, second)
    assert new("billing", Role.SYNCER, 90, first, second)
    assert new("reports", Role.READER, 90, first, second)
    revoked = msgspec.structs.replace(first, revoked=NOW)
    assert successor(second, days=90, at=NOW, others=[revoked, second])
    assert issue("billing", Role.READER, days=90, at=first.expires, others=[first, second])


def test_only_a_live_key_has_a_successor() -> None:
    key, _ = new()
    with pytest.raises(InvalidParameter, match=rf"^key: {key.id} is expired; create a new one"):
        successor(key, days=90, at=key.expires, others=[key])
    revoked = msgspec.structs.replace(key, revoked=NOW)
    assert revoked.state(key.expires) is KeyState.REVOKED
    with pytest.raises(InvalidParameter, match="is revoked"):
        successor(revoked, days=90, at=NOW, others=[revoked])
