"""From the bytes of a snapshot to batches of checked rows, lazily and in bounded memory.

A snapshot is a JSON array of rows or one row a line (NDJSON), in UTF-8, maybe gzipped. It is read whole or it is
refused: the errors come while the batches are drawn, so the rows count only when the last batch was drawn.
"""

from collections.abc import Iterator

from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.domain.model import Patient, Payment, RecordT
from paymentagg.domain.ports import Batch
from paymentagg.entrypoints.framing import Array, Lines
from paymentagg.entrypoints.records import RowReader, patient_rows, payment_rows
from paymentagg.entrypoints.transport import EMPTY, Form, Readable, Reading, Unread, expanded

_NO_SNAPSHOT = (
    "it must begin with [, as a JSON array of rows, or with {, as one JSON object a line; in UTF-8, gzipped or not"
)
_NO_ARRAY = "a JSON array of rows is needed, so it must begin with ["


def read_patients(stream: Readable, options: Reading) -> Iterator[Batch[Patient]]:
    """Yield the patients of a snapshot, batch by batch.

    Raises:
        InvalidSnapshot: it can't be read whole.
        SnapshotTooLarge: it is larger than the options allow.
    """
    return _read(patient_rows(), stream, options)


def read_payments(stream: Readable, options: Reading) -> Iterator[Batch[Payment]]:
    """Yield the payments of a snapshot, batch by batch. *Raises* what ``read_patients`` raises."""
    return _read(payment_rows(), stream, options)


def _read(rows: RowReader[RecordT], stream: Readable, options: Reading) -> Iterator[Batch[RecordT]]:
    unread = Unread(expanded(stream, options))
    unread.skip_mark()
    first = unread.first()
    if not first:
        raise InvalidSnapshot(EMPTY, offset=unread.offset)
    if options.form is None and first not in b"[{":
        raise InvalidSnapshot(_NO_SNAPSHOT, offset=unread.offset)
    if options.form is Form.ARRAY and first != b"[":
        raise InvalidSnapshot(_NO_ARRAY, offset=unread.offset)
    if options.form is Form.NDJSON or first == b"{":
        yield from Lines(unread, rows, may_be_wrapper=options.form is None).batches()
    else:
        yield from Array(unread, rows).batches()
