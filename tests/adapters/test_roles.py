"""A role that doesn't own the tables can do all that a sync and a reader do."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from builders import patient, payment
from practice import Practice
from stores import SqlStore

ROLE = "paymentagg_test_app"
WORKING_TABLES = "staged_patients, staged_payments, disputed_ids, rejected_rows"
MANY_ROWS = 10_500


def test_a_role_that_owns_nothing_loads_the_slower_way_with_the_same_result(app_url: str) -> None:
    store = SqlStore(app_url)
    practice = Practice(store)
    practice.sync(
        patients=[patient(f"{n}") for n in range(MANY_ROWS)],
        payments=[payment(f"{n}", f"{n}") for n in range(MANY_ROWS)],
    )
    practice.sync(patients=[patient("1")], payments=[payment("1", "1", "5"), payment("2", "nobody")])
    assert practice.totals == {"1": "5.00"}
    store.close()


@pytest.fixture
def app_url(postgresql_url: str) -> Iterator[str]:
    owner = sa.create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'app'"))
        grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}"
        connection.execute(sa.text(grant))
        connection.execute(sa.text(f"GRANT TRUNCATE ON {WORKING_TABLES} TO {ROLE}"))
    url = sa.make_url(postgresql_url).set(username=ROLE, password="app")
    yield url.render_as_string(hide_password=False)
    with owner.connect() as connection:
        connection.execute(sa.text(f"DROP OWNED BY {ROLE}"))
        connection.execute(sa.text(f"DROP ROLE {ROLE}"))
    owner.dispose()
