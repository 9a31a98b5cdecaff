"""How a connection takes part in the transaction of a request or a command."""

from sqlalchemy import Connection


class Participant:
    """A connection that takes part in a transaction of a transaction manager: ``transaction.interfaces.IDataManager``.

    It is the only participant, so it commits as its vote: nothing can fail after that.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tpc_begin(self, _transaction: object) -> None:
        """Do nothing; so does ``commit``."""

    commit = tpc_begin

    def tpc_vote(self, _transaction: object) -> None:
        """Commit."""
        self._connection.commit()

    def abort(self, _transaction: object) -> None:
        """Roll back what isn't committed, and return the connection; so do ``tpc_finish`` and ``tpc_abort``."""
        self._connection.close()

    tpc_finish = tpc_abort = abort

    def sortKey(self) -> str:  # noqa: N802
        """Return its place among participants."""
        return "~sql"
