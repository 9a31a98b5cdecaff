"""Prometheus scrapes processes that count together: what a killed one has counted isn't lost, nor counted twice."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from api import PATIENTS
from builders import array
from deployment.prometheus import running_prometheus
from keyring import Keyring
from paymentagg.domain.access import Role
from scraped import Scraped
from server import Server, running, serving, until

REQUESTS = 'sum by () (paymentagg_http_requests_total{route="/patients", instance="%s"})'


def test_the_sums_of_two_processes_stay_right_when_one_is_killed_and_started_again(
    tmp_path: Path, sqlite_url: str, shared_folder: Path
) -> None:
    keys = Keyring(sqlite_url)
    header = {"Authorization": f"Bearer {keys.key(Role.CLERK)}"}
    syncer = str(keys.key(Role.SYNCER))
    keys.store.close()
    settings = {"paymentagg.access": "keys"}
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(serving(tmp_path / name, sqlite_url, settings)) for name in ("first", "second")
        )
        assert first.post("/patients", array(*PATIENTS), **header).status == 200
        for server, times in ((first, 3), (second, 4)):
            for _ in range(times):
                assert server.get("/patients", header).status == 200
        prometheus = stack.enter_context(running_prometheus(tmp_path / "prometheus", syncer, [first.address]))
        until(lambda: prometheus.value(REQUESTS % first.address) == 8)
        assert prometheus.value("paymentagg_database_up") == 1
        assert prometheus.value('paymentagg_rows_total{model="patients", kind="created"}') == len(PATIENTS)
        until(lambda: scraped(first, header).value("spool_limit_bytes", place="memory") == 2 * 32 * 1024 * 1024)

        second.process.kill()
        second.process.wait()
        assert scraped(first, header).value("spool_limit_bytes", place="memory") == 32 * 1024 * 1024
        assert requests(first, header) == 8
        third = stack.enter_context(serving(tmp_path / "third", sqlite_url, settings))
        assert third.get("/patients", header).status == 200
        assert requests(first, header) == requests(third, header) == 9
        assert len([*shared_folder.glob("*.lock")]) == 2

        until(lambda: prometheus.value(REQUESTS % first.address) == 9)
        increase = 'resets(paymentagg_http_requests_total{route="/patients", method="GET", status="200"}[1m])'
        assert prometheus.value(increase) == 0
        until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()))
        assert {rule["name"] for rule in prometheus.rules() if rule["state"] != "inactive"} == set()


def test_a_shared_folder_that_cannot_be_used_prevents_the_start(tmp_path: Path, sqlite_url: str) -> None:
    file = tmp_path / "file"
    file.touch()
    environment = {"PAYMENTAGG_DATABASE_URL": sqlite_url, "PROMETHEUS_MULTIPROC_DIR": str(file)}
    (tmp_path / "server.ini").write_text("[app:main]\nuse = egg:paymentagg\n[server:main]\nuse = egg:paymentagg\n")
    with running([str(tmp_path / "server.ini")], tmp_path, environment) as server:
        server.process.wait()
    assert "PROMETHEUS_MULTIPROC_DIR" in server.whole_log()[-1]


def scraped(server: Server, header: dict[str, str]) -> Scraped:
    return Scraped(server.get("/metrics", header).body.decode())


def requests(server: Server, header: dict[str, str]) -> float:
    """Return how many requests for patients were answered by all processes."""
    metrics = scraped(server, header)
    return sum(
        metrics.value("http_requests_total", route="/patients", method=method, status="200") or 0
        for method in ("GET", "POST")
    )


@pytest.fixture
def shared_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the servers that the test starts count together."""
    folder = tmp_path / "metrics"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    return folder
