"""What servers install is what is tested, without the tools that test it."""

import re
from configparser import ConfigParser

from project import PROJECT


def test_servers_install_the_versions_that_are_tested() -> None:
    deployed, tested = locked("requirements.lock"), locked("requirements-dev.lock")

    assert deployed.items() <= tested.items()


def test_servers_install_all_that_is_needed_and_no_tools_of_development() -> None:
    options = ConfigParser()
    options.read(PROJECT / "setup.cfg")
    deployed = locked("requirements.lock").keys()

    assert names(options["options"]["install_requires"]) <= deployed
    assert not names(options["options.extras_require"]["dev"]) & deployed


def locked(file: str) -> dict[str, tuple[str, ...]]:
    """Return the version and the hashes of each package in a lock file."""
    packages = re.findall(
        r"(?m)^([^\s#=]+)==(\S+)(?:[^\n]*\\)?\n((?: +--hash=\S+(?: \\)?\n)+)", (PROJECT / file).read_text()
    )
    assert packages
    return {name: (version, *re.findall(r"sha256:[0-9a-f]{64}", hashes)) for name, version, hashes in packages}


def names(requirements: str) -> set[str]:
    """Return the normalised names of the packages in a list of requirements."""
    return {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"(?m)^([\w.-]+)", requirements)}
