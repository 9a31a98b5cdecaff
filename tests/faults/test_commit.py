"""The connection is lost during COMMIT: the client can't know whether the sync is done, and repeating it is right."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from api import MULTIPART
from command import Command
from faults.proxy import ANSWER, QUERY, Proxy, proxied
from faults.states import ALLOW_ALL_DELETIONS, states
from fingerprint import fingerprint
from server import Answer, serving

pytestmark = pytest.mark.faults

_, FIRST, SECOND = states(patients=20, payments=60)


@pytest.mark.parametrize("lost", [QUERY, ANSWER])
def test_the_same_request_under_the_same_key_is_done_exactly_once(
    proxy: Proxy, postgresql_url: str, tmp_path: Path, lost: str
) -> None:
    before = fingerprint(postgresql_url)
    with serving(tmp_path, proxy.url.render_as_string(hide_password=False)) as server:

        def post() -> Answer:
            return server.post(f"/snapshot{ALLOW_ALL_DELETIONS}", FIRST.body, MULTIPART, Idempotency_Key="night-1")

        proxy.drops = lost
        first = post()
        assert (first.status, first.code) == (503, "database-unavailable")
        assert first.headers["Retry-After"]
        assert fingerprint(postgresql_url).follows(before, FIRST.content) == (lost == ANSWER)

        second = post()
        assert second.status == 200
        assert second.headers.get("Idempotent-Replayed") == ("true" if lost == ANSWER else None)
        assert fingerprint(postgresql_url).follows(before, FIRST.content)


@pytest.mark.parametrize("lost", [QUERY, ANSWER])
def test_the_console_script_says_that_it_cannot_know_and_that_running_it_again_is_right(
    proxy: Proxy, postgresql_url: str, tmp_path: Path, lost: str
) -> None:
    command = Command(tmp_path, proxy.url.render_as_string(hide_password=False))
    files = [f"--{name}={command.write(name, rows)}" for name, rows in SECOND.snapshots.items()]
    before = fingerprint(postgresql_url)
    proxy.drops = lost

    done = command.run(*files, "--max-delete", "100%")

    message = done.stderr.decode()
    assert done.returncode == 6
    assert "the sync is done completely or not at all; it is safe to run it again" in message
    assert "nothing was changed" not in message
    assert done.stdout == b""
    assert fingerprint(postgresql_url).follows(before, SECOND.content) == (lost == ANSWER)
    assert command.run(*files, "--max-delete", "100%").returncode == 3
    assert fingerprint(postgresql_url).content == SECOND.content


@pytest.fixture
def proxy(postgresql_url: str) -> Iterator[Proxy]:
    """A proxy for the run's PostgreSQL server."""
    with proxied(sa.make_url(postgresql_url)) as proxy:
        yield proxy
