"""The sessions of browsers, in SQLAlchemy Core."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select
from typing_extensions import override

from paymentagg.adapters.sql.api_keys import decoded_key
from paymentagg.adapters.sql.repositories import first_row
from paymentagg.adapters.sql.statements import json_row
from paymentagg.adapters.sql.tables import api_keys, sessions
from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.ports import SessionRepository
from paymentagg.domain.sessions import Session

_ONE = (
    select(json_row(*sessions.c), json_row(*api_keys.c))
    .select_from(sessions.join(api_keys))
    .where(sessions.c.digest == bindparam("digest"))
)
_row = msgspec.json.Decoder(tuple[str, str, datetime, datetime])


class SqlSessions(SessionRepository):
    """The sessions in the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def find(self, digest: str) -> tuple[Session, ApiKey] | None:
        found = first_row(self._connection, _ONE, {"digest": digest})
        if found is None:
            return None
        session, key = found
        return Session(*_row.decode(session)), decoded_key(key)

    @override
    def add(self, session: Session) -> None:
        row = (session.digest, session.key_id, session.created, session.expires)
        self._connection.execute(insert(sessions).values(row))

    @override
    def remove(self, digest: str) -> None:
        self._connection.execute(delete(sessions).where(sessions.c.digest == digest))

    @override
    def prune(self, at: datetime) -> None:
        self._connection.execute(delete(sessions).where(sessions.c.expires <= at))
