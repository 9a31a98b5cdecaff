"""The application, in a process that sends itself a signal at a requested moment of a sync.

An ini file names ``call:faults.signalling_app:main`` instead of paymentagg; ``request_file`` is the file for requests.
"""

import os
import re
import signal
from pathlib import Path
from typing import Any

from pyramid.router import Router

from faults.drivers import watching
from paymentagg import app

FACTORY = "call:faults.signalling_app:main"

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
"""The moments that can be requested, each with the pattern of the driver's call that follows it."""


def main(global_config: dict[str, str], **settings: Any) -> Router:
    """Return paymentagg's application, after arranging for the signal."""
    request_file = Path(settings.pop("request_file"))

    def signal_if_requested(_connection: object, call: str) -> None:
        if request_file.exists():
            number, _, moment = request_file.read_text().partition(" ")
            if re.match(moment, call):
                request_file.unlink()
                os.kill(os.getpid(), signal.Signals(int(number)))

    watching(signal_if_requested).__enter__()  # never exited: it lasts as long as the process
    return app.main(global_config, **settings)


def request_signal(file: Path, number: signal.Signals, moment: str) -> None:
    """Request the signal at one of ``MOMENTS``. The process deletes the file when it sends itself the signal."""
    file.write_text(f"{int(number)} {MOMENTS[moment]}")
