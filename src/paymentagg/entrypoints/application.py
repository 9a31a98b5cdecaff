"""The application without any framework: what HTTP and the console scripts have in common."""

import msgspec

from paymentagg.domain.audit_chain import Auditor
from paymentagg.domain.ports import Database
from paymentagg.entrypoints.settings import Settings

CONSOLE = "paymentagg.console"
"""In PasteDeploy's global configuration: return the ``Application`` itself, and leave its database unprepared."""
LISTEN = "paymentagg.listen"
"""In PasteDeploy's global configuration: the address to listen on, whatever the server's settings say."""


class Application(msgspec.Struct, frozen=True):
    """The settings of an ini file, and the database and the audit log that they name."""

    settings: Settings
    auditor: Auditor
    database: Database
    """That of all practices, unless there is one."""
    practice: str | None = None
    """The practice whose database it is, where there are many: a console script works for one at a time."""
