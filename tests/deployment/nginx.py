"""Debian's nginx: where it is, and how it runs the configuration of docs/nginx.conf."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection

import pytest

from project import PROJECT
from server import PATIENCE, until

CONFIGURATION = PROJECT / "docs" / "nginx.conf"
PORTS = (6543, 6544, 6545, 6546)
"""The ports of the processes that it names."""

MAIN = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/responses;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/paymentagg.conf;
}}
"""


def path_of_nginx() -> str:
    """Return the path of the program, which may be in a folder for administrators alone; fail without one."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.fail("there is no nginx; `apt-get install nginx-light`", pytrace=False)
    return found


@contextmanager
def running_nginx(folder: Path, port: int, instances: Sequence[int]) -> Iterator[None]:
    """Run nginx for the block.

    Args:
        folder: all of its files are there.
        port: where it listens.
        instances: the ports of the processes behind it.
    """
    folder.mkdir()
    (folder / "paymentagg.conf").write_text(rewritten(folder, port, instances))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    log = folder / "stderr.log"
    with log.open("w") as errors, subprocess.Popen(
        [path_of_nginx(), "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"], stderr=errors
    ) as process:  # fmt: skip
        try:
            until(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)
    assert "emerg" not in log.read_text()


def rewritten(folder: Path, port: int, instances: Sequence[int]) -> str:
    """Return the configuration with other ports and paths, and without TLS, for which it needs a certificate."""
    text = CONFIGURATION.read_text()
    changes = [
        (r"listen 443 ssl;\n +ssl_certificate [^;]+;\n +ssl_certificate_key [^;]+;", f"listen 127.0.0.1:{port};", 1),
        (r"/var/log/nginx/", f"{folder}/", 1),
        *((rf"127\.0\.0\.1:{old};", f"127.0.0.1:{new};", 2) for old, new in zip(PORTS, instances, strict=True)),
    ]
    for old, new, times in changes:
        text, done = re.subn(old, new, text)
        assert done == times, old
    return text


def listens(port: int) -> bool:
    """Return whether a connection to the port is accepted."""
    try:
        create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True
