"""The ``paymentagg.*`` settings: read from the ini file and the environment, and validated when the process starts."""

import enum
import re
from collections.abc import Mapping

import msgspec

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import InvalidParameter

PREFIX = "paymentagg."
DEFAULTS = {
    "paymentagg.max_delete": "20%",
    "paymentagg.max_delete_floor": "100",
    "paymentagg.max_upload_bytes": "4 GiB",
    "paymentagg.access": "local",
    "paymentagg.hosts": "",
    "paymentagg.audit_file": "",
    "paymentagg.history_days": "90",
    "paymentagg.practices": "one",
    "paymentagg.read_url": "",
    "paymentagg.log": "text",
}
MEANINGS = {
    "paymentagg.max_delete": "how many of a model's stored rows a sync may delete that sets no limit of its own: "
    "a share (`20%`, in an ini file `20%%`) or a number of rows",
    "paymentagg.max_delete_floor": "up to so many rows of a model may be deleted, whatever share of them that is",
    "paymentagg.max_upload_bytes": "the largest snapshot, both as it is sent and decompressed",
    "paymentagg.access": "`local` serves this machine without keys, `keys` requires an API key",
    "paymentagg.hosts": "the host names that requests may name, without ports; with `local`, `localhost`, `127.0.0.1` "
    "and `[::1]` are always among them; empty for any with `keys`",
    "paymentagg.audit_file": "the path of the audit log; empty for none",
    "paymentagg.history_days": "for how many days changed rows are kept as they were; `0` keeps none",
    "paymentagg.practices": "`one`, or `many` in one PostgreSQL database, with a schema for each; needs `keys`",
    "paymentagg.read_url": "the URL of a replica in PostgreSQL, from which GET requests read data; empty for none",
    "paymentagg.log": "how the server writes its log: `text`, or `json` for JSON lines",
}
"""What each setting is for, in Markdown: the documentation prints it."""

MAX_HISTORY_DAYS = 36_500
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_HOST = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The hosts that are always served without keys: any other name may be that of a web site, whose DNS points here."""
_BYTES = re.compile(r"([0-9]{1,15})\s*(|KiB|MiB|GiB)")


class Access(enum.StrEnum):
    """Which clients are served: those on this machine, without keys, or any client with an API key."""

    LOCAL = "local"
    KEYS = "keys"


class Practices(enum.StrEnum):
    """How many practices the database has: one, or many with a schema for each."""

    ONE = "one"
    MANY = "many"


class LogFormat(enum.StrEnum):
    """How the server writes its log: lines of text, or JSON lines."""

    TEXT = "text"
    JSON = "json"


class Settings(msgspec.Struct, frozen=True):
    """The validated settings; ``deletion`` is the limit of a sync that sets none of its own."""

    deletion: DeletionLimit
    max_upload_bytes: int
    access: Access
    audit_file: str
    """The path of the audit log; empty if there is none."""
    hosts: frozenset[str] = frozenset()
    """The host names, in lower case and without a port, that requests may name; empty for any."""
    history_days: int = int(DEFAULTS["paymentagg.history_days"])
    """For how many days the rows that syncs update and delete are kept; 0 if they aren't."""
    practices: Practices = Practices.ONE
    read_url: str = ""
    """The URL of a replica, which isn't checked yet; empty if there is none."""
    log: LogFormat = LogFormat.TEXT


def read_settings(ini: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Return the settings of an ini file, each overridden by its environment variable if that is set.

    Raises:
        InvalidParameter: a setting is unknown or invalid; the error names the setting or variable that the user set.
    """
    for name in ini:
        if name.startswith(PREFIX) and name not in DEFAULTS:
            raise InvalidParameter(name, f"is not a setting; the settings are {', '.join(DEFAULTS)}")

    def text(name: str) -> tuple[str, str]:
        variable = name.replace(".", "_").upper()
        if variable in environ:
            return variable, environ[variable]
        return name, ini.get(name, DEFAULTS[name])

    name, floor = text("paymentagg.max_delete_floor")
    if not re.fullmatch("[0-9]{1,12}", floor):
        raise InvalidParameter(name, "must be a number of rows such as 100")
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
    name, hosts = text("paymentagg.hosts")
    named = frozenset(hosts.lower().replace(",", " ").split())
    if not all(map(_HOST.fullmatch, named)):
        raise InvalidParameter(name, "must be host names without a port, such as billing.example.org, [::1]")
    if access == Access.LOCAL:
        named |= LOCAL_HOSTS
    name, practices = text("paymentagg.practices")
    if practices not in list(Practices):
        raise InvalidParameter(name, f"must be {' or '.join(Practices)}")
    if practices == Practices.MANY and access == Access.LOCAL:
        raise InvalidParameter(name, "many needs API keys, which name the practice; set paymentagg.access = keys")
    audit_file = text("paymentagg.audit_file")[1]
    days = history_days(*text("paymentagg.history_days"))
    size_in_bytes = int(match[1]) * _UNITS[match[2]]
    read_url = text("paymentagg.read_url")[1]
    name, log = text("paymentagg.log")
    if log not in list(LogFormat):
        raise InvalidParameter(name, f"must be {' or '.join(LogFormat)}")
    served = (Access(access), audit_file, named, days, Practices(practices), read_url, LogFormat(log))
    return Settings(deletion, size_in_bytes, *served)


def history_days(name: str, text: str) -> int:
    """Return a number of days.

    Raises:
        InvalidParameter: the text, which the setting or option ``name`` has, isn't one.
    """
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > MAX_HISTORY_DAYS:
        raise InvalidParameter(name, f"must be a number of days from 0 to {MAX_HISTORY_DAYS}, such as 90")
    return int(text)
