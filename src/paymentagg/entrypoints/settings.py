"""The settings of paymentagg itself: read from the ini file or the environment, cast and checked at the start."""

import enum
import os
import re
from collections.abc import Mapping

import msgspec
from pyramid.config import Configurator

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import InvalidParameter

PREFIX = "paymentagg."
DEFAULTS = {
    "paymentagg.max_delete": "20%",
    "paymentagg.max_delete_floor": "100",
    "paymentagg.max_upload_bytes": "4 GiB",
    "paymentagg.access": "local",
    "paymentagg.audit_file": "",
}
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_BYTES = re.compile(r"([0-9]{1,15})\s*(|KiB|MiB|GiB)")


class Access(enum.StrEnum):
    """Who is served: this machine without keys, or everyone who has one."""

    LOCAL = "local"
    KEYS = "keys"


class Settings(msgspec.Struct, frozen=True):
    """What a sync may do unless it says so itself, how large a snapshot may be, who is served, and the audit log."""

    deletion: DeletionLimit
    max_upload_bytes: int
    access: Access
    audit_file: str
    """Empty: none is kept."""


def includeme(config: Configurator) -> None:
    """Set the registry's ``paymentagg_settings``.

    Raises:
        InvalidParameter: a setting is unknown or wrong.
    """
    config.registry.paymentagg_settings = read_settings(config.registry.settings, os.environ)


def read_settings(ini: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Return the settings of an ini file, each overridden by its variable of the environment.

    Raises:
        InvalidParameter: a setting is unknown or wrong; it is named as the user wrote it.
    """
    for name in ini:
        if name.startswith(PREFIX) and name not in DEFAULTS:
            raise InvalidParameter(name, f"there is no such setting; there are {', '.join(DEFAULTS)}")

    def text(name: str) -> tuple[str, str]:
        variable = name.replace(".", "_").upper()
        if variable in environ:
            return variable, environ[variable]
        return name, ini.get(name, DEFAULTS[name])

    name, floor = text("paymentagg.max_delete_floor")
    if not re.fullmatch("[0-9]{1,12}", floor):
        raise InvalidParameter(name, "must be a count of rows such as 100")
    name, limit = text("paymentagg.max_delete")
    try:
        deletion = DeletionLimit.parse(limit, floor=int(floor))
    except ValueError as error:
        raise InvalidParameter(name, str(error)) from None
    name, size = text("paymentagg.max_upload_bytes")
    match = _BYTES.fullmatch(size)
    if not match:
        raise InvalidParameter(name, "must be a number of bytes such as 1048576 or 4 GiB")
    name, access = text("paymentagg.access")
    if access not in list(Access):
        raise InvalidParameter(name, f"must be {' or '.join(Access)}")
    audit_file = text("paymentagg.audit_file")[1]
    return Settings(deletion, int(match[1]) * _UNITS[match[2]], Access(access), audit_file)
