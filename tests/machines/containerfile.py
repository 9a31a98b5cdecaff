"""Executes the steps of deploy/Containerfile in fresh systems, one for each stage, as a builder of images does."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from machines.debian import Debian, copied_sources, fresh
from project import PROJECT

CONTAINERFILE = PROJECT / "deploy" / "Containerfile"
DEBIAN = "debian:bookworm-slim"
"""The image that a fresh system stands for."""


@dataclass
class Stage:
    """A stage: its system, and what the steps so far have set."""

    debian: Debian
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    folder: str = "/"
    user: str = "root"
    volumes: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction and what follows it, without comments and with its lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for step in "\n".join(lines).replace("\\\n", " ").splitlines():
        instruction, _, rest = step.partition(" ")
        yield instruction, rest.strip()


@contextmanager
def built(base: Path) -> Iterator[Stage]:
    """Execute all steps, and give the last stage for the block."""
    stages: dict[str, Stage] = {}
    with ExitStack() as stack:
        project = copied_sources(Path(stack.enter_context(TemporaryDirectory()), "project"))
        for instruction, rest in steps(CONTAINERFILE.read_text()):
            if instruction == "FROM":
                image, *name = rest.split(" AS ")
                assert image == DEBIAN
                stages["".join(name)] = stage = Stage(stack.enter_context(fresh(base)))
            else:
                execute(instruction, rest, stage, stages, project)
        yield stage


def execute(instruction: str, rest: str, stage: Stage, stages: dict[str, Stage], project: Path) -> None:
    """Execute a step; one that isn't known fails."""
    match instruction:
        case "RUN":
            stage.debian.run(["/bin/sh", "-c", rest], folder=stage.folder, user=stage.user, **stage.environment)
        case "COPY":
            copy(rest.split(), stage, stages, project)
        case "ENV":
            stage.environment |= dict(each.split("=", 1) for each in shlex.split(rest))
        case "WORKDIR":
            stage.folder = rest
            inside(stage, rest).mkdir(parents=True, exist_ok=True)
        case "USER":
            stage.user = rest
        case "VOLUME":
            stage.volumes.append(rest)
        case "CMD":
            stage.command = json.loads(rest)
        case "HEALTHCHECK":
            stage.health_check = json.loads(rest.partition(" CMD ")[2])
        case "EXPOSE":
            assert rest.isdigit()
        case _:
            raise AssertionError(f"this step isn't known here: {instruction} {rest}")


def copy(arguments: list[str], stage: Stage, stages: dict[str, Stage], project: Path) -> None:
    """Copy files, which may be patterns, or a folder, from the project or from another stage."""
    origin = project
    if arguments[0].startswith("--from="):
        origin = stages[arguments.pop(0).removeprefix("--from=")].debian.root
    *patterns, target = arguments
    to = inside(stage, str(Path(stage.folder, target)))
    for pattern in patterns:
        for found in origin.glob(pattern.removeprefix("/")):
            if found.is_dir():
                # -a keeps owners and modes, as a copy from another stage does; from the project all belongs to root
                to.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-a", f"{found}/.", str(to)], check=True)
            else:
                shutil.copy(found, to)


def inside(stage: Stage, path: str) -> Path:
    """Return where a path of the stage is on this machine."""
    return stage.debian.root / path.removeprefix("/")
