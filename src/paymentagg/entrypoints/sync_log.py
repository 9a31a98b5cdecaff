"""The line in the server's log for each sync and undo."""

import logging

import msgspec

from paymentagg.domain.report import Report

log = logging.getLogger(__name__)


def log_done(report: Report) -> None:
    """Log the counts of a sync, once it is committed, or of a dry run; ids, names and amounts stay out of logs."""
    counts = "; ".join(f"{model.plural}: {part}" for model, part in report.models.items())
    seconds = (report.finished_at - report.started_at).total_seconds()
    what = "sync" if report.undoes is msgspec.UNSET else f"undo of sync {report.undoes}, sync"
    log.info("%s %s: %s; %.1f s", what, report.id or "(dry run)", counts, seconds)
