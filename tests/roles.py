"""The roles of docs/roles.sql under names that no other test uses: a server's roles are those of all its databases."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from postgres import connect
from project import PROJECT

SCRIPT = PROJECT / "docs" / "roles.sql"


class Roles(NamedTuple):
    """The names of the role of the server and of that of analysts."""

    app: str
    reader: str


@contextmanager
def roles(url: str, *, times: int = 1) -> Iterator[Roles]:
    """Run the script in a database, and give both roles the password ``secret`` until the block ends.

    Args:
        times: how often to run it.
    """
    unique = uuid.uuid4().hex[:12]
    names = Roles(f"paymentagg_app_{unique}", f"paymentagg_reader_{unique}")
    script = SCRIPT.read_text().replace("paymentagg_app", names.app).replace("paymentagg_reader", names.reader)
    with connect(url) as connection:
        for _ in range(times):
            connection.connection.cursor().execute(script)  # SQLAlchemy would take colons for parameters
        for name in names:
            connection.exec_driver_sql(f"ALTER ROLE {name} PASSWORD 'secret'")
        try:
            yield names
        finally:
            for name in names:
                connection.exec_driver_sql(f"DROP OWNED BY {name}")
                connection.exec_driver_sql(f"DROP ROLE {name}")
