"""Read the forms that pages send, other than files."""

from paymentagg.domain.errors import SnapshotTooLarge
from paymentagg.entrypoints.http.errors import UnsupportedMediaType
from paymentagg.entrypoints.http.parameters.query_string import decoded_pairs
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.uploads import end_preflight
from paymentagg.entrypoints.pages.browser_sessions import FORM_TOKEN, check_form

_FORM = "application/x-www-form-urlencoded"
_MAX_BYTES = 1 << 16


def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form whose token is that of this browser.

    Raises:
        UnsupportedMediaType: the body isn't a form.
        SnapshotTooLarge: it is larger than any form.
        Forbidden: the token isn't that of this browser.
        InvalidParameter: it can't be decoded.
    """
    if request.content_type != _FORM:
        raise UnsupportedMediaType([_FORM])
    if (request.content_length or 0) > _MAX_BYTES:
        raise SnapshotTooLarge(_MAX_BYTES)
    end_preflight(request)
    fields = dict(decoded_pairs(request.body.decode("latin-1")))
    check_form(request, fields.get(FORM_TOKEN))
    return fields
