"""A real Prometheus, Debian's, that scrapes servers for the block."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployment.installation import free_ports
from project import PROJECT
from server import PATIENCE, until

_CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: paymentagg
    authorization: {{credentials_file: {key}}}
    static_configs: [{{targets: {targets}}}]
"""


class Prometheus:
    """The API of a Prometheus on this port."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def is_ready(self) -> bool:
        """Return whether it answers queries."""
        try:
            self._get("/query?query=1")
        except OSError:
            return False
        return True

    def value(self, expression: str) -> float | None:
        """Return the value of an expression that has one at most; None if it has none."""
        found = self._get(f"/query?{urllib.parse.urlencode({'query': expression})}")["result"]
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules, with their state."""
        return [rule for group in self._get("/rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._url}{path}", timeout=PATIENCE) as answer:  # noqa: S310  on this machine
            return json.load(answer)["data"]


@contextmanager
def running_prometheus(folder: Path, key: str, targets: Sequence[str]) -> Iterator[Prometheus]:
    """Run Prometheus with the rules of monitoring/ for the block; it scrapes each second."""
    folder.mkdir()
    (folder / "key").write_text(key)
    rules = PROJECT / "monitoring" / "alerts.yml"
    configuration = _CONFIGURATION.format(rules=rules, key=folder / "key", targets=json.dumps(list(targets)))
    (folder / "prometheus.yml").write_text(configuration)
    (port,) = free_ports(1)
    arguments = [
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["prometheus", *arguments], stderr=log)  # noqa: S607  Debian's
    try:
        prometheus = Prometheus(port)
        until(prometheus.is_ready)
        yield prometheus
    finally:
        process.terminate()
        process.wait(PATIENCE)
