"""The units for systemd: systemd-analyze finds nothing wrong with them, and little that they could do."""

import re
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from project import INSTALLATION, PROJECT

SERVICES = sorted(INSTALLATION.glob("*.service"))
TIMERS = sorted(INSTALLATION.glob("*.timer"))
MANY = "paymentagg@.service"
"""The server as one of many processes."""
OPEN_TO_SYSTEMD = 20
"""The largest exposure that systemd-analyze may find, in tenths; a unit without any hardening has 96."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units as they are installed, with this checkout's commands, and many processes beside the one."""
    folder = tmp_path_factory.mktemp("units")
    for unit in [*SERVICES, *TIMERS]:
        (folder / unit.name).write_text(installed(unit, folder))
    drop_in = folder / f"{MANY}.d" / "many-processes.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(installed(INSTALLATION / drop_in.name, folder))
    (folder / MANY).write_text((folder / "paymentagg.service").read_text())
    return folder


@pytest.mark.parametrize("name", [*(each.name for each in [*SERVICES, *TIMERS]), MANY])
def test_systemd_finds_nothing_wrong_with_a_unit(folder: Path, name: str) -> None:
    done = analyze("verify", "--recursive-errors=one", str(folder / name.replace("@.", "@6543.")))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", [*(each.name for each in SERVICES), MANY])
def test_a_service_could_do_little_if_it_were_taken_over(folder: Path, name: str) -> None:
    done = analyze(
        "security", "--offline=true", f"--threshold={OPEN_TO_SYSTEMD}", str(folder / name.replace("@.", "@6543."))
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_services_are_hardened_alike() -> None:
    hardening = {
        each.name: each.read_text().partition("# Hardening")[2].partition("\n[Install]")[0] for each in SERVICES
    }
    server = hardening["paymentagg.service"]
    assert server.strip()
    # The audit log is a file: what checks it needs no network.
    local = re.sub("AF_INET AF_INET6 ", "", server)
    assert hardening == {name: local if "audit" in name else server for name in hardening}


def test_each_timer_starts_a_service_of_its_name() -> None:
    assert {each.stem for each in TIMERS} <= {each.stem for each in SERVICES}


def test_the_times_of_the_timers_are_understood() -> None:
    for timer in TIMERS:
        parser = ConfigParser()
        parser.read(timer)
        done = analyze("calendar", parser["Timer"]["OnCalendar"])
        assert done.returncode == 0, done.stderr


def installed(file: Path, folder: Path) -> str:
    """Return a file with the paths of an installation in the folder."""
    scripts = str(PROJECT / ".venv" / "bin")
    return file.read_text().replace("/opt/paymentagg/bin", scripts).replace("/etc/paymentagg", str(folder))


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run systemd-analyze, which needs no systemd that runs."""
    return subprocess.run(["/usr/bin/systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True)
