"""API keys: ``pagg_``, a public id, and a secret of which only the digest is kept.

The secret has 256 random bits: nobody guesses it, so a fast hash is enough. A slow one, on each request, would be a
way to stop the service.
"""

import enum
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from paymentagg.domain.access import Principal, Role
from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.text import INVALID_TEXT

MAX_DAYS = 365
MAX_NAME = 100
MAX_LIVE = 2
"""How many live keys of one name and role there may be: the one in use, and the one that takes its place."""

_ID_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"pagg_([0-9a-z]{8})_([A-Za-z0-9_-]{43})")


class KeyState(enum.StrEnum):
    """Whether a key opens anything."""

    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApiKey(msgspec.Struct, frozen=True):
    """What is stored of a key. ``name`` says whose it is; ``digest`` is the SHA-256 of the secret, in hex."""

    id: str
    name: str
    role: Role
    digest: str
    created: datetime
    expires: datetime
    revoked: datetime | None = None

    def state(self, at: datetime) -> KeyState:
        if self.revoked is not None:
            return KeyState.REVOKED
        return KeyState.LIVE if at < self.expires else KeyState.EXPIRED


def issue(name: str, role: Role, *, days: int, at: datetime, others: Iterable[ApiKey]) -> tuple[ApiKey, str]:
    """Return a new key that lives for some days, and its text, which can't be had again.

    Args:
        others: all keys there are.

    Raises:
        InvalidParameter: the name or the days are not what they should be, or the name has live keys enough.
    """
    if not 1 <= len(name) <= MAX_NAME or name != name.strip() or INVALID_TEXT.search(name):
        reason = f"must be 1 to {MAX_NAME} characters without control characters and outer white space"
        raise InvalidParameter("name", reason)
    if not 1 <= days <= MAX_DAYS:
        raise InvalidParameter("expires-in", f"must be 1 to {MAX_DAYS} days")
    live = [key.id for key in others if (key.name, key.role) == (name, role) and key.state(at) is KeyState.LIVE]
    if len(live) >= MAX_LIVE:
        raise InvalidParameter(
            "name",
            f"this {role} has {len(live)} live keys, {' and '.join(live)}; revoke the one that isn't in use",
        )
    key_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    key = ApiKey(key_id, name, role, _digest(secret), created=at, expires=at + timedelta(days=days))
    return key, f"pagg_{key_id}_{secret}"


def successor(key: ApiKey, *, days: int, at: datetime, others: Iterable[ApiKey]) -> tuple[ApiKey, str]:
    """Return a key to take the place of one that lives; arguments and errors are those of issue."""
    if key.state(at) is not KeyState.LIVE:
        raise InvalidParameter("key", f"{key.id} is {key.state(at)}; create a new one")
    return issue(key.name, key.role, days=days, at=at, others=others)


def parse(text: str) -> tuple[str, str] | None:
    """Return the public id and the secret of a key, None where the text is no key."""
    match = _TOKEN.fullmatch(text)
    return (match[1], match[2]) if match else None


def opened(key: ApiKey | None, secret: str, at: datetime) -> Principal | None:
    """Return who is asking, None where the key is unknown, wrong, revoked or expired: all cost the same work."""
    known = _NOBODYS if key is None else key
    matches = hmac.compare_digest(known.digest, _digest(secret))
    if matches and known.state(at) is KeyState.LIVE:
        return Principal(known.id, known.role)
    return None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


_LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00Z")
_NOBODYS = ApiKey("", "", Role.READER, "0" * 64, created=_LONG_AGO, expires=_LONG_AGO)
