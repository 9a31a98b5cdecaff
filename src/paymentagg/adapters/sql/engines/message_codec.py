"""How psycopg2 decodes what PostgreSQL says, so that no message of an error shows a row of a snapshot."""

import codecs

from psycopg2.extensions import encodings
from typing_extensions import Buffer

_CODEC = "paymentagg_utf_8"


def install() -> None:
    """Make psycopg2 decode the server's messages by ``_decode``."""
    if encodings["UTF8"] != _CODEC:
        codecs.register(_find_codec)
        encodings["UTF8"] = _CODEC


def _find_codec(name: str) -> codecs.CodecInfo | None:
    return codecs.CodecInfo(codecs.utf_8_encode, _decode, name=_CODEC) if name == _CODEC else None


def _decode(data: Buffer, errors: str = "strict", /) -> tuple[str, int]:
    """Decode UTF-8, even if psycopg2 has set an exception before the call.

    If the server ends a connection during COPY, libpq reports two errors: the shutdown, then the lost connection.
    psycopg2 2.9 sets the exception for the first, and then calls this for the message of the second (pq_raise in its
    pqpath.c). A call with an exception set fails with a SystemError, which psycopg2 would print to standard error: its
    cause quotes a row of the snapshot. psycopg2 raises the second error in either case.
    """
    try:
        raise Exception  # replaces the exception that is set, and is cleared when caught
    except Exception:  # noqa: BLE001, S110  a SystemError if an exception was set
        pass
    return codecs.utf_8_decode(data, errors, True)
