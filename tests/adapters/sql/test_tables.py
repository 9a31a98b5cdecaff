"""The conversion of values to and from the database."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from paymentagg.adapters.sql.tables import syncs
from paymentagg.adapters.sql.wiring import connect
from paymentagg.domain.money import from_cents, to_cents


@given(st.decimals(-(10**10), 10**10, places=2))
def test_amounts_go_to_cents_and_back(amount: Decimal) -> None:
    assert from_cents(to_cents(amount)) == amount
    assert from_cents(to_cents(amount)).as_tuple().exponent == -2


def test_a_time_comes_back_as_the_same_instant_in_utc(database_url: str) -> None:
    engine = connect(sa.make_url(database_url))
    noon = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with engine.connect() as connection:
        connection.execute(sa.insert(syncs).values(started_at=noon, finished_at=noon, changed=False, report="{}"))
        stored = connection.execute(sa.select(syncs.c.started_at)).scalar_one()
    engine.dispose()
    assert stored == noon
    assert stored.utcoffset() == UTC.utcoffset(None)


def test_a_time_without_a_zone_is_refused(database_url: str) -> None:
    engine = connect(sa.make_url(database_url))
    naive = datetime(2026, 7, 1, 12)  # noqa: DTZ001  the test needs a naive time
    with engine.connect() as connection, pytest.raises(sa.exc.StatementError, match="without a zone"):
        connection.execute(sa.insert(syncs).values(started_at=naive, finished_at=naive, changed=False, report="{}"))
    engine.dispose()
