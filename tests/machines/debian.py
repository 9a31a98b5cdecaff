"""Fresh Debian systems in folders: made once with debootstrap, and for each trial a copy that nothing else changes.

It needs root, and `apt-get install debootstrap`. Programs in the folder use the network of this machine.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from project import PROJECT

BASE = "PAYMENTAGG_TEST_DEBIAN"
"""The variable that may name the folder of a system made before, with the command of ``bootstrap``."""
_PIP = ("/etc/pip.conf", "/etc/xdg/pip", "~/.config/pip", "~/.pip")
_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PATH = re.compile(r"(?<![\w/.:])(/[\w./+-]+)|file://(/[\w./+-]+)/[\w.+-]+")
"""A path, or the folder of one that a URL names: the pages of an index in a folder link to files beside them."""


@dataclass(frozen=True)
class Debian:
    """A system in a folder."""

    root: Path
    pip: Mapping[str, str] = field(default_factory=dict)
    """The settings of pip on this machine, as variables."""
    network: int | None = None
    """A process whose network is used inside; by default that of this machine."""

    def command(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], folder: str = "/", user: str = "root"
    ) -> list[str]:
        """Return the command that runs another one inside, with these variables alone; only root has rights."""
        without_rights = ("--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", *without_rights]
        return [
            *([] if self.network is None else ["nsenter", f"--net=/proc/{self.network}/ns/net"]),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", f"--root={self.root}", "--mount-proc"),
            *(f"--wd={folder}", *become, "env", "--ignore-environment"),
            *(f"{name}={value}" for name, value in environment.items()),
            *arguments,
        ]

    def run(
        self, arguments: Sequence[str], *, folder: str = "/", user: str = "root", **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command inside to its end, with the settings of pip, and fail the test if it fails."""
        variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **self.pip, **environment}
        command = self.command(arguments, environment=variables, folder=folder, user=user)
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done


@contextmanager
def own_network() -> Iterator[int]:
    """Give, for the block, a process with a network that has the address 127.0.0.1 and no other: all ports are free."""
    command = ["unshare", "--net", "--kill-child", "--fork", "sh", "-c", "ip link set lo up && echo up && exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process.pid
        process.stdin.close()  # the end of cat


def bootstrap(folder: Path) -> Path:
    """Return a system with nothing but Debian's minimum: made in the folder, or that which was made before."""
    if os.geteuid() != 0:
        pytest.fail("a fresh system can be made by root alone", pytrace=False)
    if BASE in os.environ:
        return Path(os.environ[BASE])
    # Debian's certificates can't be installed later: this machine's are mounted over them, for pip.
    command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


@contextmanager
def fresh(base: Path) -> Iterator[Debian]:
    """Give a system for the block: what is written goes to a layer above the base, and is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="debian", dir="/var/tmp") as folder, ExitStack() as stack:
        upper, work, root = (Path(folder, each) for each in ("upper", "work", "root"))
        for each in (upper, work, root):
            each.mkdir(mode=0o755)
        Path(folder).chmod(0o755)
        _mount(stack, root, "-t", "overlay", "overlay", "-o", f"lowerdir={base},upperdir={upper},workdir={work}")
        (root / "etc" / "resolv.conf").write_text(Path("/etc/resolv.conf").read_text())
        (root / "dev" / "shm").mkdir(exist_ok=True)
        (root / "dev" / "shm").chmod(0o1777)  # debootstrap has made the devices themselves
        variables = {
            name: value for name, value in os.environ.items() if name.startswith("PIP_") or name in _CERTIFICATES
        }
        for path in _named(variables):
            inside = root / str(path).removeprefix("/")
            if path.is_dir():
                inside.mkdir(parents=True, exist_ok=True)
            else:
                inside.parent.mkdir(parents=True, exist_ok=True)
                inside.touch()
            _mount(stack, inside, "--bind", str(path), "-o", "ro")
        yield Debian(root, variables)


def _named(variables: Mapping[str, str]) -> list[Path]:
    """Return pip's files of settings on this machine, and what they and the variables name: pip needs them inside."""
    settings = [path for each in _PIP if (path := Path(each).expanduser()).exists()]
    files = [file for path in settings for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    texts = [*variables.values(), *(file.read_text() for file in files)]
    named = {Path(found[1] or found[2]) for text in texts for found in _PATH.finditer(text)}
    found = {*settings, *(path for path in named if path.exists() and path != Path("/"))}
    return sorted(path for path in found if found.isdisjoint(path.parents))


def _mount(stack: ExitStack, target: Path, *arguments: str) -> None:
    """Mount until the stack is closed."""
    subprocess.run(["mount", *arguments, str(target)], check=True)
    stack.callback(subprocess.run, ["umount", "--recursive", str(target)], check=True)


def copied_sources(to: Path) -> Path:
    """Copy what is committed and what is not, but no ignored file, into a folder, and return that."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    files = listed.stdout.decode().strip("\0").split("\0")
    to.mkdir()
    subprocess.run(["cp", "--parents", "--no-dereference", "-t", str(to), *files], cwd=PROJECT, check=True)
    return to
