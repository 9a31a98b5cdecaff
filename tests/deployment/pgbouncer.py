"""PgBouncer in session mode in front of a PostgreSQL server, as docs/how-to/practices.md configures it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from server import PATIENCE, until

PORT = 6432
"""The number in the name of its socket."""

CONFIGURATION = """
[databases]
* = {target}

[pgbouncer]
pool_mode = session
server_reset_query = DISCARD ALL
default_pool_size = {connections}
query_wait_timeout = {wait}
auth_type = any
listen_port = {port}
unix_socket_dir = {folder}
"""


@contextmanager
def pgbouncer(url: str, connections: int, *, wait: int = 5) -> Iterator[str]:
    """Run PgBouncer with so many server connections for the block, which gets the URL of the same database there.

    Args:
        wait: how many seconds a client waits for one of them.
    """
    server = sa.make_url(url)
    host, port = str(server.query.get("host", server.host)), server.query.get("port", server.port)
    target = {"host": host, "port": port, "user": server.username, "password": server.password}
    # The path of a socket has at most 107 bytes (unix(7)), so the folder is directly in /tmp.
    with tempfile.TemporaryDirectory(prefix="pb", dir="/tmp") as folder:
        text = CONFIGURATION.format(
            target=" ".join(f"{name}={value}" for name, value in target.items() if value),
            connections=connections,
            wait=wait,
            port=PORT,
            folder=folder,
        )
        if os.geteuid() == 0:  # it refuses to run as root, and the socket of the server is its owner's
            owner = Path(host).owner() if host.startswith("/") else "nobody"
            text += f"user = {owner}\n"
            shutil.chown(folder, owner)
        file = Path(folder) / "pgbouncer.ini"
        file.write_text(text)
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
        assert program is not None, "install Debian's package pgbouncer"
        with subprocess.Popen([program, "--quiet", file]) as process:
            try:
                until(lambda: (Path(folder) / f".s.PGSQL.{PORT}").exists() or process.poll() is not None)
                assert process.poll() is None, "its messages say what is wrong"
                query = {"host": folder, "port": str(PORT)}
                yield server.set(host=None, port=None, query=query).render_as_string(hide_password=False)
            finally:
                process.terminate()
                process.wait(PATIENCE)
