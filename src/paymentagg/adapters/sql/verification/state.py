"""The port Verification: all checks of one state, in one transaction."""

from collections.abc import Callable, Iterator

from sqlalchemy import Connection, func, select
from typing_extensions import override

from paymentagg.adapters.sql.tables import patients, payments, syncs
from paymentagg.adapters.sql.verification.comparison import ComparisonStorage
from paymentagg.adapters.sql.verification.record import RecordChecks
from paymentagg.adapters.sql.verification.rows import RowChecks
from paymentagg.adapters.sql.verification.structure import StructureChecks
from paymentagg.domain.ports import Verification
from paymentagg.domain.verification import Check, Finding, Verified


class SqlVerification(Verification):
    """The state that a connection's transaction sees.

    Args:
        full_tables: returns the names of the permanent working tables that have rows and that no sync is using.
        storage: returns the store of a dry run on the same connection.
    """

    def __init__(
        self,
        connection: Connection,
        full_tables: Callable[[], list[str]],
        storage: Callable[[], ComparisonStorage],
    ) -> None:
        self._connection = connection
        self._full_tables = full_tables
        self._storage = storage
        self._verified: Verified | None = None

    @override
    def findings(self) -> Iterator[Finding]:
        structure = StructureChecks(self._connection)
        enforced = True
        for finding in structure.findings():
            enforced &= finding.check is not Check.SCHEMA
            yield finding
        if not structure.is_complete:
            return
        yield from RowChecks(self._connection, enforced=enforced).findings()
        yield from RecordChecks(self._connection, self.verified()).findings()
        for table in self._full_tables():
            yield Finding(Check.WORKING_TABLES, f"table {table}")

    @override
    def verified(self) -> Verified:
        if self._verified is None:
            counts = (
                select(func.count()).select_from(table).scalar_subquery() for table in (patients, payments, syncs)
            )
            self._verified = Verified(*self._connection.execute(select(*counts)).one())
        return self._verified

    @override
    def storage(self) -> ComparisonStorage:
        return self._storage()
