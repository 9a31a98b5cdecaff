"""API keys: ``pagg_``, a public id, a secret and a checksum. Only the digest of the secret is stored.

Where there are many practices, the public id follows the name of the practice and a dot, which say where to look it up.

The secret has 256 random bits and can't be guessed, so a fast hash is enough. A slow hash, computed for each request,
would make it easy to overload the service.
"""

import enum
import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from paymentagg.domain import practices
from paymentagg.domain.access import Principal, Role
from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.text import INVALID_TEXT

MAX_DAYS = 365
"""The longest lifetime of a key, in days."""
MAX_NAME = 100
"""The longest name of a key, in code points."""
MAX_LIVE = 2
"""How many live keys can have the same name and role: the one in use and its successor."""

USE_INTERVAL = timedelta(hours=1)
"""How much later a key has to be used again for its last use to be written: not each read shall write."""

_ID_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(rf"(pagg_(?:({practices.NAME})\.)?([0-9a-z]{{8}})_([A-Za-z0-9_-]{{43}}))([0-9A-Za-z]{{6}})?")
"""Keys that were created before there were checksums have none; the last of them expires after MAX_DAYS."""


class Token(msgspec.Struct, frozen=True):
    """What the text of a key says: its public id, its secret, and the practice whose key it is, if there are many."""

    key_id: str
    secret: str
    practice: str | None


class WrongKeys(msgspec.Struct, frozen=True):
    """How many wrong keys an address has sent since the time at which its window began."""

    began: datetime
    wrong: int


class KeyState(enum.StrEnum):
    """The state of a key; only a LIVE one grants access."""

    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is stored. ``name`` says who uses it; ``digest`` is the SHA-256 of the secret, in hex."""

    id: str
    name: str
    role: Role
    digest: str
    created: datetime
    expires: datetime
    revoked: datetime | None = None
    last_used: datetime | None = None
    """When the key was last used, up to USE_INTERVAL too early; None if it never was."""

    def state(self, at: datetime) -> KeyState:
        """Return the key's state at a time (aware). A revoked key is REVOKED even if it has also expired."""
        if self.revoked is not None:
            return KeyState.REVOKED
        return KeyState.LIVE if at < self.expires else KeyState.EXPIRED

    @property
    def principal(self) -> Principal:
        """The caller whom the key authenticates while it is live."""
        return Principal(self.id, self.role)


class EndedKey(msgspec.Struct, frozen=True):
    """A key whose secret was right, but which grants no access any more: EXPIRED or REVOKED."""

    id: str
    state: KeyState


def issue(
    name: str, role: Role, *, days: int, at: datetime, others: Iterable[ApiKey], practice: str | None = None
) -> tuple[ApiKey, str]:
    """Return a new key and its token, which can't be recovered later.

    Args:
        days: the lifetime of the key, 1 to MAX_DAYS.
        at: the present time, aware.
        others: all existing keys.
        practice: the practice whose key it is; None if there is only one.

    Raises:
        InvalidParameter: the name or the days are invalid, or the name and role already have MAX_LIVE live keys.
    """
    if not 1 <= len(name) <= MAX_NAME or name != name.strip() or INVALID_TEXT.search(name):
        reason = f"must be 1 to {MAX_NAME} characters without control characters or leading or trailing white space"
        raise InvalidParameter("name", reason)
    if not 1 <= days <= MAX_DAYS:
        raise InvalidParameter("expires-in", f"must be 1 to {MAX_DAYS} days")
    live = [key.id for key in others if (key.name, key.role) == (name, role) and key.state(at) is KeyState.LIVE]
    if len(live) >= MAX_LIVE:
        raise InvalidParameter(
            "name",
            f"already has {len(live)} live keys with the role {role}, {' and '.join(live)}; revoke the unused one",
        )
    key_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    key = ApiKey(key_id, name, role, _digest(secret), created=at, expires=at + timedelta(days=days))
    text = f"pagg_{key_id}_{secret}" if practice is None else f"pagg_{practice}.{key_id}_{secret}"
    return key, text + checksum(text)


def successor(
    key: ApiKey, *, days: int, at: datetime, others: Iterable[ApiKey], practice: str | None = None
) -> tuple[ApiKey, str]:
    """Return a new key with the name and role of a live key; arguments and errors are those of ``issue``.

    Raises:
        InvalidParameter: also if the key isn't live.
    """
    if key.state(at) is not KeyState.LIVE:
        raise InvalidParameter("key", f"{key.id} is {key.state(at)}; create a new one")
    return issue(key.name, key.role, days=days, at=at, others=others, practice=practice)


def parse(text: str) -> Token | None:
    """Return what a token says; None if the text isn't a token or its checksum is wrong."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    practice = match[2]
    if practice is None:
        is_right = match[5] in (None, checksum(match[1]))
    else:
        is_right = match[5] == checksum(match[1]) and practices.is_name(practice)
    return Token(match[3], match[4], practice) if is_right else None


def checksum(text: str) -> str:
    """Return the CRC-32 (ISO 3309) of a token without its checksum, as six digits of base 62.

    It finds typos without the database, and lets secret scanners tell a token from a text that only looks like one.
    """
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = _BASE62[digit] + digits
    return digits


def opened(key: ApiKey | None, secret: str, at: datetime) -> Principal | EndedKey | None:
    """Return the caller that the secret authenticates, the key if it isn't live, or None if the secret is wrong.

    ``key`` is None if it is unknown. Every case takes the same work, so the response time doesn't reveal the case.
    """
    known = _DUMMY_KEY if key is None else key
    state = known.state(at)
    if not hmac.compare_digest(known.digest, _digest(secret)):
        return None
    return known.principal if state is KeyState.LIVE else EndedKey(known.id, state)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


_LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00Z")
_DUMMY_KEY = ApiKey("", "", Role.READER, "0" * 64, created=_LONG_AGO, expires=_LONG_AGO)
"""An expired key that is checked in place of an unknown one."""
