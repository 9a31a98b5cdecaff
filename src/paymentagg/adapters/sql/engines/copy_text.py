"""Rows in the text format of PostgreSQL's COPY, as the file that psycopg2 reads."""

from collections.abc import Iterable

from paymentagg.domain.batches import Columns


class CopySource:
    """The file-like object from which psycopg2 reads COPY's input: each read returns the next batch.

    An error while the snapshot is read ends the input, and whoever runs COPY raises ``error``: psycopg2 would replace
    it by its own.
    """

    def __init__(self, batches: Iterable[Columns]) -> None:
        self._texts = map(_text, batches)
        self.error: BaseException | None = None

    def read(self, _: int) -> bytes:
        """Return the next batch whatever its size, nothing at the end."""
        try:
            return next(self._texts, b"")
        except BaseException as error:  # noqa: BLE001  interrupts too; load raises it again
            self.error = error
            return b""


def _text(columns: Columns) -> bytes:
    """Return rows in COPY's text format. Only backslashes are escaped: no text is empty or has a tab or newline."""
    numbers, *texts = columns
    complete = (column if all(column) else [text or "" for text in column] for column in texts)
    lines = map("\t".join, zip(map(str, numbers), *complete, strict=True))
    return ("\n".join(lines) + "\n").replace("\\", "\\\\").encode()
