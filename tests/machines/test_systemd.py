"""The units under a systemd that runs, on a machine of its own: they are hardened, and work nevertheless.

The machine is a container of systemd-nspawn (`apt-get install systemd-container`), with no network but its own.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from machines.debian import Debian
from machines.test_newcomer import PATH, machine
from project import SAMPLES
from server import PATIENCE, until

INSTALL = "python3 -m venv /opt/paymentagg && /opt/paymentagg/bin/pip install -q /root/*.whl"
ASK = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:6543/health/ready').read().decode())"


@dataclass(frozen=True)
class Booted:
    """A machine, whose systemd is the child of the process ``container``."""

    container: int

    def run(self, line: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as root."""
        children = Path(f"/proc/{self.container}/task/{self.container}/children").read_text().split()
        namespaces = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd")
        inside = ["nsenter", f"--target={children[0] if children else 0}", *namespaces]
        variables = (f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8")
        command = [*inside, "env", "--ignore-environment", *variables, "bash", "-c", line]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def does(self, line: str) -> str:
        """Run a command that succeeds, and return what it prints."""
        done = self.run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}\n{self.run('journalctl -n 40').stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def booted(debian: Path, wheel: Path) -> Iterator[Booted]:
    """A machine on which paymentagg is installed for SQLite, as docs/operations.md says."""
    packages = ("systemd-sysv", "dbus", "adduser")
    with machine(debian, wheel, *packages) as root:
        root.run(["sh", "-c", INSTALL])
        (root.root / "srv" / "paymentagg").mkdir()
        for file in ("patients.json", "payments.json"):
            (root.root / "srv" / "paymentagg" / file).write_bytes((SAMPLES / file).read_bytes())
        with boot(root) as booted:
            for line in (
                "paymentagg-init /etc/paymentagg",
                "adduser --system --group --home /etc/paymentagg --no-create-home paymentagg",
                "cp /etc/paymentagg/*.service /etc/paymentagg/*.timer /etc/systemd/system/",
                "chown -R paymentagg:paymentagg /etc/paymentagg",
                "chown root:root /etc/paymentagg/environment /etc/paymentagg/*.env",
                "cp /etc/paymentagg/sync-NAME.env /etc/paymentagg/sync-north.env",
                "systemctl daemon-reload",
            ):
                booted.does(line)
            yield booted


@contextmanager
def boot(root: Debian) -> Iterator[Booted]:
    """Run the machine for the block."""
    with ExitStack() as stack:
        place = (f"--directory={root.root}", f"--machine={root.root.parent.name}", "--private-network")
        command = ["systemd-nspawn", "--quiet", "--boot", *place, "--console=passive", "--register=no", "--keep-unit"]
        container = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        )
        stack.callback(container.wait, PATIENCE)
        stack.callback(container.terminate)
        booted = Booted(container.pid)
        until(lambda: booted.run("systemctl is-active multi-user.target").stdout == "active\n")
        yield booted


def test_a_sync_the_erasure_and_the_check_succeed_as_units(booted: Booted) -> None:
    for unit in ("paymentagg-sync@north", "paymentagg-prune", "paymentagg-audit"):
        booted.does(f"systemctl start {unit}.service")
    log = booted.does("journalctl -u paymentagg-sync@north -u paymentagg-audit --output=cat")
    assert "patients: 4 created, 0 updated" in log
    assert "the chain holds" in log


def test_the_server_serves_without_rights_and_stops(booted: Booted) -> None:
    booted.does("systemctl start paymentagg.service")
    until(lambda: booted.run(f'python3 -c "{ASK}"').returncode == 0)
    status = booted.does("cat /proc/$(systemctl show --property=MainPID --value paymentagg)/status").splitlines()
    kept = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert (int(kept["CapEff"], 16), kept["NoNewPrivs"], kept["Seccomp"]) == (0, "1", "2")
    booted.does("systemctl stop paymentagg.service")
    assert booted.does("systemctl show --property=Result --value paymentagg") == "success\n"


def test_a_bad_file_fails_the_unit_at_once(booted: Booted) -> None:
    booted.does("head -c 300 /srv/paymentagg/payments.json >/srv/paymentagg/cut.json")
    booted.does("sed s/payments.json/cut.json/ /etc/paymentagg/sync-NAME.env >/etc/paymentagg/sync-cut.env")
    assert booted.run("systemctl start paymentagg-sync@cut.service").returncode == 1
    shown = booted.does("systemctl show --property=ExecMainStatus --property=SubState --value paymentagg-sync@cut")
    assert shown.split() == ["7", "failed"]


def test_the_timers_start(booted: Booted) -> None:
    booted.does("systemctl start paymentagg-sync@north.timer paymentagg-prune.timer paymentagg-audit.timer")
    assert booted.does("systemctl list-timers --no-legend | grep -c paymentagg") == "3\n"
