"""Sessions of browsers: a random token in a cookie, which stands for an API key until it expires or the key ends.

Only the digest of the token is stored. The token has 256 random bits and can't be guessed, so a fast hash is enough.
"""

import hashlib
import re
import secrets
from datetime import datetime, timedelta

import msgspec

from paymentagg.domain.access import Principal
from paymentagg.domain.api_keys import ApiKey, KeyState

LIFETIME = timedelta(hours=12)
"""How long a session lasts at most."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Session(msgspec.Struct, frozen=True):
    """A session as it is stored. ``digest`` is the SHA-256 of the token, in hex."""

    digest: str
    key_id: str
    created: datetime
    expires: datetime


def new_token() -> str:
    """Return a random token, which can't be recovered later."""
    return secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Return whether a text has the form of a token, so that looking it up makes sense."""
    return _TOKEN.fullmatch(text) is not None


def digest_of(token: str) -> str:
    """Return the digest by which the session of a token is found."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue(key: ApiKey, token: str, at: datetime) -> Session:
    """Return a new session of a live key; it doesn't outlast the key. ``at``: the present time, aware."""
    return Session(digest_of(token), key.id, created=at, expires=min(at + LIFETIME, key.expires))


def opened(session: Session | None, key: ApiKey | None, at: datetime) -> Principal | None:
    """Return the caller of a session and its key, if both are known, the session hasn't expired and the key is live."""
    if session is None or key is None or at >= session.expires or key.state(at) is not KeyState.LIVE:
        return None
    return key.principal
