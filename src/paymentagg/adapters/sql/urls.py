"""The URLs of databases in the settings."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from paymentagg.domain.errors import InvalidParameter

_PORT = "must have a port from 1 to 65535, such as postgresql://user:password@host:5432/database, or none"
_EXAMPLE = "postgresql://user:password@host/database"


def parsed(name: str, text: str, advice: str = "") -> URL:
    """Return the URL in a text, which the setting ``name`` has.

    Args:
        advice: follows the example in the message for a text that isn't a URL.

    Raises:
        InvalidParameter: it isn't one; the message doesn't show the text, which may contain a password.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise InvalidParameter(name, f"must be a URL such as {_EXAMPLE}{advice}") from None
    except ValueError:  # SQLAlchemy's int(port), whose message would show the text, which may be a part of a password
        raise InvalidParameter(name, _PORT) from None
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise InvalidParameter(name, _PORT)
    return url


def is_postgresql(url: URL) -> bool:
    """Return whether a URL is that of a PostgreSQL database."""
    return url.get_backend_name() in ("postgresql", "postgres")


def replica_url(name: str, text: str, primary: URL) -> URL | None:
    """Return the URL of the replica in a setting, None if it names none.

    Raises:
        InvalidParameter: it isn't the URL of a PostgreSQL database, or the database that it replicates isn't one.
    """
    if not text:
        return None
    url = parsed(name, text)
    if not is_postgresql(url):
        raise InvalidParameter(name, f"must be the URL of a PostgreSQL replica, such as {_EXAMPLE}")
    if not is_postgresql(primary):
        reason = "only PostgreSQL has replicas; remove it, or set sqlalchemy.url or PAYMENTAGG_DATABASE_URL"
        raise InvalidParameter(name, reason)
    return url
