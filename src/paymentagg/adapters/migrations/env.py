"""The environment of the migrations. Alembic runs it, on the command line or for paymentagg on a new SQLite file."""

import sys

from alembic import context
from sqlalchemy import Connection

from paymentagg.adapters.migrations import partial_indexes  # noqa: F401  adds to tables
from paymentagg.adapters.sql import tables, working_tables
from paymentagg.adapters.sql.engines import citus, sqlite
from paymentagg.adapters.sql.wiring import connect, database_url
from paymentagg.domain.errors import PaymentAggError


def migrate(connection: Connection) -> None:
    """Run the migrations in the connection's transaction, which alembic wouldn't do by itself on SQLite."""
    metadata = [tables.metadata]
    if connection.dialect.name == "postgresql":
        metadata.append(working_tables.metadata)
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
    if connection.dialect.name == "postgresql":
        citus.complete(connection)


def migrate_database() -> None:
    """Run the migrations on the database of the settings."""
    url = database_url(context.config.get_section(context.config.config_ini_section, {}))
    if url.get_backend_name() == "sqlite":
        sqlite.create_file(url, lambda _: None)  # readable by its owner only
    engine = connect(url)
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        migrate(connection)


provided = context.config.attributes.get("connection")
if provided is not None:
    migrate(provided)
else:
    try:
        migrate_database()
    except PaymentAggError as error:
        sys.exit(f"alembic: error: {error}")  # one line, without a traceback
