"""Export whole results as NDJSON, CSV or XLSX."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, get_args

import msgspec
from pyramid.response import Response

from paymentagg.domain.ports import Export
from paymentagg.entrypoints.http.errors import HttpVersionNotSupported, InsufficientStorage
from paymentagg.entrypoints.http.parameters.query_string import Parameters
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import CSV, NDJSON, XLSX, body_of, tag_of, tagged
from paymentagg.entrypoints.http.row_formats import Csv, Ndjson
from paymentagg.entrypoints.safe_traceback import log_unexpected
from paymentagg.entrypoints.spreadsheet import MAX_ROWS, Cell, Column, Spreadsheet

UNDELIMITED = "paymentagg.undelimited"
"""Key in the WSGI environ: true if only closing the connection ends a response of unknown length (HTTP/1.0).

The client then can't tell a complete response from a truncated one."""

NOTICE = "X-Export-Notice"
"""The header that tells why a response has another media type than the one that was asked for."""

_ENDINGS = {NDJSON: "ndjson", CSV: "csv", XLSX: "xlsx"}
_CHUNK = 65_536
"""How many bytes of a finished file are sent at once."""


class ExportAborted(Exception):
    """An export failed after its first bytes were sent; the log has the reason, with the request's id."""


class Table(msgspec.Struct, frozen=True):
    """A result to export.

    ``name``: of the file and the sheet, 1 to 31 ASCII letters, digits and hyphens. ``batches``: yields the rows in
    batches, from the first one each time it is called, and always the same ones. ``cells``: returns the cells of a row,
    as many as there are columns; without it, rows are sequences of cells. ``close``: is called when the rows have been
    read, or aren't needed any more.
    """

    name: str
    columns: Sequence[Column]
    batches: Callable[[], Iterator[Sequence[Any]]]
    cells: Callable[[Any], Sequence[Cell]] = tuple
    close: Callable[[], object] = lambda: None


def exported(
    request: Request,
    media: str,
    row: type[msgspec.Struct],
    find: Callable[[Export], Iterator[Sequence[msgspec.Struct]]],
    *,
    bom: bool | None = None,
) -> Response:
    """Return all rows of an export, in a file that has the name of the last part of the path; see ``table_response``.

    Args:
        row: the type of the rows.
        find: gets the rows from the export, in batches.
        bom: whether CSV begins with a byte order mark; None: if the parameter says so.
    """
    if bom is None:
        bom = Parameters(request.query_string).texts.get("bom") == "true"
    fields = msgspec.structs.fields(row)
    export = request.open_export()
    table = Table(
        request.path_info.rpartition("/")[2],
        [Column(field.encode_name, _kind(field.type)) for field in fields],
        lambda: find(export),
        attrgetter(*(field.name for field in fields)),
        export.close,
    )
    return table_response(request, media, table, export.version, bom=bom)


def table_response(
    request: Request, media: str, table: Table, version: str | None = None, *, bom: bool = False
) -> Response:
    """Return all rows of a table as a file to save; CSV and NDJSON are streamed. The table is closed in any case.

    Instead of XLSX with more than ``MAX_ROWS`` rows, the response is CSV and says so in the header ``NOTICE``;
    a HEAD request reads no rows, so it can't tell.

    Args:
        media: NDJSON, if the rows are structs, CSV or XLSX.
        version: the version of the rows, for an entity tag; without it, the response isn't cached.
        bom: begin CSV with a byte order mark.

    Raises:
        HttpVersionNotSupported: the client couldn't tell whether the response is complete; XLSX has a length.
        TooManyExports: there is more than one batch, and no slot is free.
        InsufficientStorage: there is no space for the XLSX file.
    """
    body = _Body(request, table)
    try:
        asked, is_head = media, request.method == "HEAD"
        if media == XLSX and not is_head and not body.fits_spreadsheet():
            media, bom = CSV, True  # whoever wants XLSX has Excel, which needs the mark
        if request.environ.get(UNDELIMITED) and media != XLSX:
            raise HttpVersionNotSupported
        response = body_of(media, b"")
        if version is not None:
            tagged(response, tag_of(request, asked, version))
        response.headers["Content-Disposition"] = f'attachment; filename="{table.name}.{_ENDINGS[media]}"'
        if media != asked:
            response.headers[NOTICE] = f"more than {MAX_ROWS} rows, so this is CSV instead of XLSX"
        length = None if is_head else body.begin(media, bom=bom)  # an error of the database still gives a 503 here
    except BaseException:
        body.close()
        raise
    response.app_iter = body
    response.content_length = length
    return response


def _kind(annotation: Any) -> type:
    """Return the type of a field, without None."""
    kind: type = next((each for each in get_args(annotation) if each is not type(None)), annotation)
    return kind


class _Body:
    """The body of a response; the server closes it at the end, or when the client disconnects."""

    def __init__(self, request: Request, table: Table) -> None:
        self._request = request
        self._table = table
        self._source = ExitStack()
        self._source.callback(table.close)
        self._open = ExitStack()
        self._open.callback(self._source.close)
        self._holds_slot = False
        self._chunks: Iterator[bytes] = iter(())

    def fits_spreadsheet(self) -> bool:
        """Return whether there are at most ``MAX_ROWS`` rows.

        They are read twice, which is fast; a spreadsheet that is discarded would cost seconds of CPU time.
        """
        rows = 0
        for batch in self._batches():
            rows += len(batch)
            if rows > MAX_ROWS:
                return False
        return True

    def begin(self, media: str, *, bom: bool) -> int | None:
        """Read the first rows, or for XLSX all of them; return the length of the body in bytes, if it is known."""
        if media == XLSX:
            return self._begin_file()
        writer = Csv(self._table.columns, self._table.cells, bom=bom) if media == CSV else Ndjson()
        batches = self._batches()
        first = writer.head + self._encoded(writer, next(batches, ()))
        self._chunks = chain([first], map(partial(self._encoded, writer), batches))
        return None

    def _begin_file(self) -> int:
        with _space(), closing(Spreadsheet(self._table.name, self._table.columns)) as spreadsheet:
            for batch in self._batches():
                spreadsheet.add(map(self._table.cells, batch))
            file = spreadsheet.finish()
        self._open.callback(file.close)
        self._source.close()  # sending needs no connection to the database
        self._request.trail.read(spreadsheet.rows)
        self._chunks = iter(partial(file.read, _CHUNK), b"")
        return os.fstat(file.fileno()).st_size

    def _batches(self) -> Iterator[Sequence[Any]]:
        """Return the batches from the first one, two of which have been read; if there are two, take a slot.

        Raises:
            TooManyExports: no slot is free.
        """
        batches = iter(self._table.batches())
        first, second = next(batches, ()), next(batches, None)
        if second is None:
            return iter([first])
        if not self._holds_slot:
            self._open.callback(self._request.take_export_slot())
            self._holds_slot = True
        return chain([first, second], batches)

    def _encoded(self, writer: Csv | Ndjson, rows: Sequence[Any]) -> bytes:
        self._request.trail.read(len(rows))
        return writer.encode(rows)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            raise
        except Exception as error:  # noqa: BLE001  # the server would log its message, which may contain data
            log_unexpected(error, self._request.id)
        raise ExportAborted(self._request.id)

    def close(self) -> None:
        self._chunks = iter(())  # an SQLite connection whose result is kept shows old data to whoever gets it next
        self._open.close()


@contextmanager
def _space() -> Iterator[None]:
    """Raise InsufficientStorage if the block can't write to a file."""
    try:
        yield
    except OSError as error:
        raise InsufficientStorage from error
