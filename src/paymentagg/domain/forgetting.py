"""Which rejected rows are about a patient who is forgotten."""

from collections.abc import Set

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model
from paymentagg.domain.report import Report
from paymentagg.domain.text import shown


class Forgotten(msgspec.Struct, frozen=True):
    """A patient who isn't stored any more, and the external ids of their payments, which aren't stored either."""

    external_id: str
    payments: Set[str]

    def is_named_by(self, rejection: Rejection) -> bool:
        """Return whether the rejected row is one of the patient, of their payments, or of a payment sent as theirs."""
        if rejection.model is Model.PATIENT:
            return rejection.external_id == self.external_id
        is_sent_as_theirs = rejection.field == "patientId" and rejection.value == shown(self.external_id)
        return is_sent_as_theirs or rejection.external_id in self.payments

    def erase_from(self, report: Report, changes: int) -> int:
        """Empty external id and value of the errors that name the patient, and return how many these are.

        Args:
            changes: how many rows of the sync's history are erased. The report counts them, so that
                ``paymentagg-verify`` can tell them from lost ones.
        """
        if changes:
            report.history_erased = changes + (report.history_erased or 0)
        named = [self.is_named_by(error) for error in report.errors]
        report.errors = [
            msgspec.structs.replace(error, external_id=None, value=None) if is_named else error
            for error, is_named in zip(report.errors, named, strict=True)
        ]
        return sum(named)
