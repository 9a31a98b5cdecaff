"""One call of the database driver fails: the first, then the second, and so on until there is none left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path

import pytest
from sqlalchemy import Connection as SqlAlchemyConnection
from sqlalchemy import Engine, event
from sqlalchemy.pool import QueuePool
from webtest import TestApp, TestResponse

from api import MULTIPART, NDJSON, checked
from faults.drivers import Connection, connection_lost, disk_full, unreachable, watching
from faults.states import ALLOW_ALL_DELETIONS, State, states
from fingerprint import fingerprint
from paymentagg.app import main
from paymentagg.entrypoints.console import exit_codes, sync_cli
from paymentagg.entrypoints.http.exports import ExportAborted

pytestmark = pytest.mark.faults

_, FIRST, SECOND = states(patients=20, payments=60)


def test_a_sync_by_http_is_whole_or_absent_whichever_call_fails(
    database_url: str, failing: "Failing", engines: set[Engine], step: int
) -> None:
    for number, target in zip(count(1, step), cycle([FIRST, SECOND])):
        before = fingerprint(database_url)
        app = TestApp(main({}, **{"sqlalchemy.url": database_url}))

        with failing.at(number):
            answer = sync(app, target)

        if answer.status_int != 200:
            assert_unavailable(answer)
        now = fingerprint(database_url)
        assert now.follows(before, target.content) or (now == before and answer.status_int != 200)
        assert_no_connection_is_checked_out(engines)
        assert sync(app, target).status_int == 200
        assert fingerprint(database_url).content == target.content
        close_all_connections(engines)
        if not failing.failed:
            break
    assert number > 40
    print(f"{number} calls")


@pytest.mark.parametrize(
    ("path", "media"),
    [("/patients?payment_min=1", "application/json"), ("/payments", NDJSON), ("/payments?external_id=5", "text/csv")],
)
def test_a_read_is_right_or_unavailable_whichever_call_fails(
    database_url: str, failing: "Failing", engines: set[Engine], step: int, path: str, media: str
) -> None:
    headers = {"Accept": media}
    app = TestApp(main({}, **{"sqlalchemy.url": database_url}))
    assert sync(app, FIRST).status_int == 200
    expected = app.get(path, headers=headers)
    for number in count(1, step):
        app = TestApp(main({}, **{"sqlalchemy.url": database_url}))

        with failing.at(number):
            try:
                answer = app.get(path, headers=headers, expect_errors=True)
            except ExportAborted:
                pass  # cut off, which the client notices
            else:
                if answer.status_int == 200:
                    assert answer.body == expected.body
                else:
                    assert_unavailable(answer)

        assert_no_connection_is_checked_out(engines)
        assert app.get(path, headers=headers).body == expected.body
        close_all_connections(engines)
        if not failing.failed:
            break
    assert number > 3
    print(f"{number} calls")


def test_a_sync_by_the_console_script_is_whole_or_absent_whichever_call_fails(
    database_url: str,
    failing: "Failing",
    engines: set[Engine],
    step: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", database_url)
    for number, target in zip(count(1, step), cycle([FIRST, SECOND])):
        arguments = ["--max-delete", "100%", "--json"]
        for name, snapshot in target.snapshots.items():
            Path(name).write_bytes(snapshot)
            arguments += [f"--{name}", name]
        before = fingerprint(database_url)

        with failing.at(number):
            status = sync_cli.main(arguments)

        message = capsys.readouterr().err
        now = fingerprint(database_url)
        if status != exit_codes.ROWS_REJECTED:
            assert status == 6, message
            assert now == before or "whole or not at all" in message
        assert now.follows(before, target.content) or (now == before and status != exit_codes.ROWS_REJECTED)
        assert sync_cli.main(arguments) == exit_codes.ROWS_REJECTED
        assert fingerprint(database_url).content == target.content
        close_all_connections(engines)
        if not failing.failed:
            break
    assert number > 40
    print(f"{number} calls")


class Failing:
    """Makes one call of the driver fail, or that one and all after it if the fault is lasting."""

    def __init__(self, fault: Callable[[Connection, str], None], *, lasting: bool) -> None:
        self.failed = False
        self._fault = fault
        self._lasting = lasting
        self._numbers: Iterator[int] | None = None
        self._first = 0

    @contextmanager
    def at(self, number: int) -> Iterator[None]:
        """Make the call with this number in the block fail; ``failed`` is whether there were so many calls."""
        self._numbers, self._first, self.failed = count(1), number, False
        yield
        self._numbers = None

    def observe(self, connection: Connection | None, call: str) -> None:
        """Count the call, and inject the fault if it is due: an observer for ``watching``."""
        if self._numbers is None or call == "committed":
            return
        number = next(self._numbers)
        if number == self._first or (self._lasting and self.failed):
            self.failed = True
            if connection is None:
                unreachable(call)
            else:
                self._fault(connection, call)


def sync(app: TestApp, state: State) -> TestResponse:
    """Post both snapshots of a state; return the answer, whatever its status is."""
    headers = {"Content-Type": MULTIPART}
    return app.request(
        f"/snapshot{ALLOW_ALL_DELETIONS}", method="POST", body=state.body, headers=headers, expect_errors=True
    )


def assert_unavailable(answer: TestResponse) -> None:
    """Assert that the answer is 503 with ``Retry-After``."""
    checked(answer, "database-unavailable", 503)
    assert answer.headers["Retry-After"]


def assert_no_connection_is_checked_out(engines: set[Engine]) -> None:
    """Assert that every connection was returned to its pool."""
    for engine in engines:
        assert isinstance(engine.pool, QueuePool)
        assert not engine.pool.checkedout()


def close_all_connections(engines: set[Engine]) -> None:
    """Close the connections of a run: each run has engines of its own, and the server has a limit of connections."""
    for engine in engines:
        engine.dispose()


@pytest.fixture(
    params=[(disk_full, False), (disk_full, True), (connection_lost, False)],
    ids=["disk full once", "disk full from then on", "connection lost"],
)
def failing(request: pytest.FixtureRequest) -> Iterator[Failing]:
    """Each fault, injected into the calls of all connections that the test makes."""
    fault, lasting = request.param
    failing = Failing(fault, lasting=lasting)
    with watching(failing.observe):
        yield failing


@pytest.fixture
def step(scale: int) -> int:
    """The distance between the calls that fail; at a scale of 25 or more each call fails."""
    return max(1, 25 // scale)


@pytest.fixture
def engines() -> Iterator[set[Engine]]:
    """The application's engines that have been used so far."""
    used: set[Engine] = set()

    def note(connection: SqlAlchemyConnection) -> None:
        if isinstance(connection.engine.pool, QueuePool):  # the application's; the tests' own are NullPool
            used.add(connection.engine)

    event.listen(Engine, "engine_connect", note)
    yield used
    event.remove(Engine, "engine_connect", note)
    assert used
    close_all_connections(used)
