"""The schema's version: created, upgraded and checked through the migrations."""

from pathlib import Path

from sqlalchemy import Connection, Engine, column, select, table

from paymentagg.domain.errors import StorageUnavailable

REVISION = "0002"
"""The migration that this code is written for: the newest one, which a test sees to."""

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the database's schema to the newest revision."""
    from alembic import command  # it takes long to import, and is needed once in a database's life
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(connection: Connection) -> None:
    """See to it that the schema is of this code's revision.

    Raises:
        StorageUnavailable: it isn't; the words say how to bring it there.
    """
    revision = connection.scalar(select(column("version_num")).select_from(table("alembic_version")))
    if revision != REVISION:
        ini = "production.ini" if connection.dialect.name == "postgresql" else "development.ini"
        raise StorageUnavailable(
            f"its schema is at revision {revision}, and {REVISION} is needed; run: alembic -c {ini} upgrade head"
        )
