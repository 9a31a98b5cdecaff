"""The errors of the domain: which ones are failures of the service."""

from paymentagg.domain import errors
from paymentagg.domain.errors import AuditUnavailable, PaymentAggError, StorageUnavailable


def test_the_service_is_at_fault_only_if_the_database_or_the_audit_log_is_unavailable() -> None:
    of_the_domain = {error for error in PaymentAggError.__subclasses__() if error.__module__ == errors.__name__}
    assert {error for error in of_the_domain if error.is_failure} == {StorageUnavailable, AuditUnavailable}
