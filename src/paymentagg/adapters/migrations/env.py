"""Run by alembic: from the command line over the ini's ``[alembic]`` section, or by paymentagg on a new SQLite file."""

from alembic import context
from sqlalchemy import Connection

from paymentagg.adapters.sql import sqlite, tables, working_tables
from paymentagg.adapters.sql.wiring import connect, database_url


def migrate(connection: Connection) -> None:
    """Run the migrations in the connection's transaction, on SQLite too."""
    metadata = [tables.metadata]
    if connection.dialect.name == "postgresql":
        metadata.append(working_tables.metadata)
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    url = database_url(context.config.get_section(context.config.config_ini_section, {}))
    if url.get_backend_name() == "sqlite":
        sqlite.create_file(url, lambda _: None)  # for its owner alone
    engine = connect(url)
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        migrate(connection)
