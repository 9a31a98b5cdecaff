"""deploy/compose.yaml: what it mounts exists, what it sets is listed, and its SQL works on a real server."""

import os
import re
import subprocess
from typing import Any

import sqlalchemy as sa
import yaml

from deployment.nginx import PORTS
from postgres import connect
from project import PROJECT

DEPLOY = PROJECT / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]


def test_each_file_that_is_mounted_exists() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [each for each in mounted if each.startswith(".")]
    assert files
    assert [each for each in files if not (DEPLOY / each).is_file()] == []


def test_each_variable_is_listed_in_the_example() -> None:
    example = (DEPLOY / "paymentagg.env.example").read_text()
    assert set(re.findall(r"\$\{(\w+)", TEXT)) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_the_servers_are_those_that_nginx_shares_the_requests_among() -> None:
    servers = {name: each for name, each in SERVICES.items() if name.startswith("server-")}
    assert [each["environment"]["PORT"] for each in servers.values()] == [str(port) for port in PORTS]
    assert [each["command"][-1] for each in servers.values()] == [f"http_port={port}" for port in PORTS]


def test_no_container_of_paymentagg_can_change_its_image_or_gain_rights() -> None:
    own = [each for each in SERVICES.values() if each["image"] == "paymentagg"]
    assert len(own) == len(PORTS) + 2
    for each in own:
        assert (each["read_only"], each["cap_drop"]) == (True, ["ALL"])
        assert each["security_opt"] == ["no-new-privileges:true"]


def test_the_files_of_the_roles_service_give_the_role_its_password(new_postgres_url: str) -> None:
    arguments = [each for each in SERVICES["roles"]["command"] if not each.startswith("--file=")]
    files = [volume.split(":") for volume in SERVICES["roles"]["volumes"]]
    named = [each.removeprefix("--file=") for each in SERVICES["roles"]["command"] if each.startswith("--file=")]
    assert [inside for _, inside, _ in files] == named
    url = sa.make_url(new_postgres_url).set(drivername="postgresql")
    options = [f"--file={DEPLOY / file}" for file, _, _ in files]
    done = subprocess.run(
        [*arguments, *options, url.render_as_string(hide_password=False)],
        env={**os.environ, "APP_PASSWORD": "it's secret"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with connect(new_postgres_url) as connection:
        kept = connection.scalar(sa.text("SELECT rolpassword FROM pg_authid WHERE rolname = 'paymentagg_app'"))
        connection.execute(sa.text("DROP OWNED BY paymentagg_app"))
        connection.execute(sa.text("DROP ROLE paymentagg_app"))  # roles belong to all databases of the server
    assert kept.startswith("SCRAM-SHA-256$")
