"""The image of deploy/Containerfile, made by its own steps: a user without rights serves from it, read-only."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from machines.containerfile import Stage, built, inside
from machines.debian import own_network
from project import SAMPLES
from server import PATIENCE, until

DATABASE = {"PAYMENTAGG_DATABASE_URL": "sqlite:////var/lib/paymentagg/paymentagg.sqlite"}


@pytest.fixture(scope="module")
def image(debian: Path) -> Iterator[Stage]:
    """The last stage, read-only but for its volume and /tmp, and with a network of its own."""
    with built(debian) as stage, own_network() as network:
        stage.debian = replace(stage.debian, network=network)
        (inside(stage, "/srv") / "patients.json").write_bytes((SAMPLES / "patients.json").read_bytes())
        (inside(stage, "/srv") / "payments.json").write_bytes((SAMPLES / "payments.json").read_bytes())
        root = stage.debian.root
        writable = [root / "tmp", *(inside(stage, each) for each in stage.volumes)]
        for folder in writable:  # a bind mount of a folder on itself stays writable when what is above it is not
            subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(root)], check=True)
        yield stage


def command(image: Stage, *arguments: str) -> list[str]:
    """Return the command that runs another one in the image as it would be run."""
    variables = image.environment | DATABASE
    return image.debian.command(arguments, environment=variables, folder=image.folder, user=image.user)


def run(image: Stage, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in the image to its end."""
    return subprocess.run(command(image, *arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL)


@contextmanager
def serving(image: Stage) -> Iterator[None]:
    """Run the command of the image for the block, once its health check succeeds; then stop it as a container is."""
    with subprocess.Popen(command(image, *image.command), stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: process.poll() is not None or run(image, *image.health_check).returncode == 0)
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            yield
        finally:
            server = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for child in server:
                os.kill(int(child), 15)
        assert process.wait(PATIENCE) == 0


def test_a_server_is_healthy_on_a_read_only_root(image: Stage) -> None:
    synced = run(image, "paymentagg-sync", "-c", "/etc/paymentagg/production.ini",
                 "--patients", "/srv/patients.json", "--payments", "/srv/payments.json")  # fmt: skip
    assert synced.returncode == 0, synced.stderr
    created = run(image, "paymentagg-keys", "-c", "/etc/paymentagg/production.ini",
                  "create", "--role", "reader", "--name", "test")  # fmt: skip
    assert created.returncode == 0, created.stderr
    with serving(image):
        ask = (
            "import sys, urllib.request as r; q = r.Request('http://127.0.0.1:6543/patients',"
            " headers={'Authorization': 'Bearer ' + sys.argv[1]}); print(r.urlopen(q).read().decode())"
        )
        answer = run(image, "python", "-c", ask, created.stdout.strip())
        assert len(json.loads(answer.stdout)) == len(json.loads((SAMPLES / "patients.json").read_text())), answer.stderr


def test_the_health_check_fails_without_a_server(image: Stage) -> None:
    assert run(image, *image.health_check).returncode != 0


def test_the_user_of_the_image_is_not_root_and_can_write_to_its_volume_alone(image: Stage) -> None:
    assert image.user != "root"
    search = (
        "find / -xdev -writable -not -path '/proc/*' -not -path '/dev/*' 2>/dev/null; touch /etc/paymentagg/new 2>&1"
    )
    assert "Read-only file system" in run(image, "sh", "-c", search).stdout
    assert run(image, "touch", "/var/lib/paymentagg/new", "/tmp/new").returncode == 0


def test_the_image_has_neither_compiler_nor_pip_nor_the_sources(image: Stage) -> None:
    found = run(image, "sh", "-c", "command -v gcc cc make pip pip3 git; ls -d /build; python -m pip --version")
    assert found.stdout == ""


def test_the_image_has_the_driver_of_postgresql(image: Stage) -> None:
    assert run(image, "python", "-c", "import psycopg2").returncode == 0
