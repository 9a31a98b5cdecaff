"""The API keys, in SQLAlchemy Core."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, bindparam, case, delete, insert, or_, select, update
from typing_extensions import override

from paymentagg.adapters.sql.repositories import first_row
from paymentagg.adapters.sql.statements import json_row
from paymentagg.adapters.sql.tables import api_keys, wrong_keys
from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import ApiKey, WrongKeys
from paymentagg.domain.ports import KeyRepository

_ALL = select(api_keys).order_by(api_keys.c.created, api_keys.c.id)
_ONE = select(json_row(*api_keys.c)).where(api_keys.c.id == bindparam("key_id"))
_row = msgspec.json.Decoder(tuple[str, str, str, str, datetime, datetime, datetime | None, datetime | None])


class SqlKeys(KeyRepository):
    """The API keys in the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def get(self, key_id: str) -> ApiKey | None:
        found = first_row(self._connection, _ONE, {"key_id": key_id})
        return None if found is None else decoded_key(found[0])

    @override
    def all(self) -> list[ApiKey]:
        return [_key(*row) for row in self._connection.execute(_ALL)]

    @override
    def add(self, key: ApiKey) -> None:
        row = (key.id, key.name, key.role.value, key.digest, key.created, key.expires, key.revoked, key.last_used)
        self._connection.execute(insert(api_keys).values(row))

    @override
    def revoke(self, key_id: str, at: datetime) -> None:
        self._connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked=at))

    @override
    def use(self, key_id: str, at: datetime) -> None:
        is_newer = or_(api_keys.c.last_used.is_(None), api_keys.c.last_used < at)
        self._connection.execute(update(api_keys).where(api_keys.c.id == key_id, is_newer).values(last_used=at))

    @override
    def count_wrong(self, address: str, at: datetime, window: timedelta) -> WrongKeys:
        if self._connection.dialect.name == "postgresql":  # late: other programs need neither of the two
            from sqlalchemy.dialects.postgresql import insert as upsert
        else:
            from sqlalchemy.dialects.sqlite import insert as upsert  # type: ignore[assignment]
        first = upsert(wrong_keys).values(address=address, began=at, wrong=1)
        stored, ended = wrong_keys.c, at - window
        has_ended = stored.began <= ended
        counted = first.on_conflict_do_update(
            index_elements=[stored.address],
            set_={
                "began": case((has_ended, first.excluded.began), else_=stored.began),
                "wrong": case((has_ended, 1), else_=stored.wrong + 1),
            },
        ).returning(stored.began, stored.wrong)
        found = self._connection.execute(counted).one()
        # Not in the same statement, nor before it, and without waiting for rows that others hold: two processes that
        # hold rows and wait for one another's would be a deadlock.
        old = select(stored.address).where(stored.began <= ended).with_for_update(skip_locked=True)
        self._connection.execute(delete(wrong_keys).where(stored.address.in_(old)))
        return WrongKeys(*found)


def decoded_key(text: str) -> ApiKey:
    """Return the key for a row of ``api_keys`` as the database encodes it, with ``json_row``."""
    return _key(*_row.decode(text))


def _key(
    key_id: str,
    name: str,
    role: str,
    digest: str,
    created: datetime,
    expires: datetime,
    revoked: datetime | None,
    last_used: datetime | None,
) -> ApiKey:
    """Return the key for a row of ``api_keys``, whose values are in the order of the columns."""
    return ApiKey(key_id, name, Role(role), digest, created, expires, revoked, last_used)
