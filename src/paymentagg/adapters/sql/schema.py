"""The version of the schema: upgrade and check by the migrations."""

from pathlib import Path

from sqlalchemy import Connection, Engine, column, select, table

from paymentagg.adapters.sql.engines.search_path import PRACTICE
from paymentagg.domain.errors import StorageUnavailable

REVISION = "0009"
"""The newest migration, which this code requires; a test ensures that it is the newest."""

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the database's schema to the newest revision."""
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        migrate(connection)


def migrate(connection: Connection) -> None:
    """Bring the schema that a connection sees to the newest revision, in the connection's transaction.

    Raises:
        StorageUnavailable: the schema has a revision that this code doesn't know.
    """
    from alembic import command  # slow to import, and needed only when a database is created
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageUnavailable(f"its schema is newer than revision {REVISION}; install a newer paymentagg") from error


def check(connection: Connection) -> None:
    """Check that the schema has the revision that this code requires.

    Raises:
        StorageUnavailable: it has another one; the message says how to migrate.
    """
    revision = connection.scalar(select(column("version_num")).select_from(table("alembic_version")))
    if revision != REVISION:
        ini = "production.ini" if connection.dialect.name == "postgresql" else "development.ini"
        practice = connection.get_execution_options().get(PRACTICE)
        remedy = f"alembic -c {ini} upgrade head" if practice is None else f"paymentagg-practices migrate {practice}"
        raise StorageUnavailable(f"its schema is at revision {revision}, and {REVISION} is needed; run: {remedy}")
