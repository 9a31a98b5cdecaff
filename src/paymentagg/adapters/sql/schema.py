"""The version of the schema: upgrade and check by the migrations."""

from pathlib import Path

from sqlalchemy import Connection, Engine, column, select, table

from paymentagg.domain.errors import StorageUnavailable

REVISION = "0006"
"""The newest migration, which this code requires; a test ensures that it is the newest."""

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the database's schema to the newest revision."""
    from alembic import command  # slow to import, and needed only when a database is created
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(connection: Connection) -> None:
    """Check that the schema has the revision that this code requires.

    Raises:
        StorageUnavailable: it has another one; the message says how to migrate.
    """
    revision = connection.scalar(select(column("version_num")).select_from(table("alembic_version")))
    if revision != REVISION:
        ini = "production.ini" if connection.dialect.name == "postgresql" else "development.ini"
        raise StorageUnavailable(
            f"its schema is at revision {revision}, and {REVISION} is needed; run: alembic -c {ini} upgrade head"
        )
