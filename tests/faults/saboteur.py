"""The application, in a process that gets a signal at the moment of a sync that an order names.

An ini file names ``call:faults.saboteur:main`` in its place; its setting ``order`` is the file for orders.
"""

import os
import re
import signal
from pathlib import Path
from typing import Any

from pyramid.router import Router

from faults.drivers import watching
from paymentagg import app

FACTORY = "call:faults.saboteur:main"

MOMENTS = {
    "before COMMIT": r"commit$",
    "after COMMIT, before the answer": r"committed$",
    "before payments are written": r"execute INSERT INTO payments\b",
    "before payments are paired": r"execute (CREATE TEMPORARY TABLE|INSERT INTO) paired_payments\b",
    "before the sync is recorded": r"execute INSERT INTO syncs\b",
    "before patients are deleted": r"execute DELETE FROM patients\b",
    "before totals are written": r"execute INSERT INTO payment_totals\b",
    "before patients are staged": r"execute (COPY|INSERT INTO) staged_patients\b",
    "before payments are staged": r"execute (COPY|INSERT INTO) staged_payments\b",
    "before patients are written": r"execute INSERT INTO patients\b",
    "before working tables are emptied": r"execute (DELETE FROM|TRUNCATE) staged_payments\b",
}
"""The moments that can be named, by the call of the driver that comes next."""


def main(global_config: dict[str, str], **settings: Any) -> Router:
    order = Path(settings.pop("order"))

    def obey(_connection: object, call: str) -> None:
        if order.exists():
            number, _, moment = order.read_text().partition(" ")
            if re.match(moment, call):
                order.unlink()
                os.kill(os.getpid(), signal.Signals(int(number)))

    watching(obey).__enter__()  # for as long as the process lives
    return app.main(global_config, **settings)


def give_order(file: Path, number: signal.Signals, moment: str) -> None:
    """Order the signal for this moment, one of ``MOMENTS``. Who obeys deletes the file."""
    file.write_text(f"{int(number)} {MOMENTS[moment]}")
