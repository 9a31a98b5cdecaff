"""Read the form with the files of an upload, which it writes to where they wait."""

from collections.abc import Mapping
from contextlib import ExitStack

import msgspec
from multipart import MultipartSegment

from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.model import Model
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.uploads import multipart_events
from paymentagg.entrypoints.pages.browser_sessions import FORM_TOKEN, check_form
from paymentagg.entrypoints.pages.work.waiting_files import WaitingFile

_MODELS = {model.plural: model for model in Model}
_FIELDS = (FORM_TOKEN, "max_delete")
_MAX_FIELD = 1000
_MAX_NAME = 100


class UploadForm(msgspec.Struct, frozen=True):
    """The files that were chosen, and the limit on deletions; empty if none was entered."""

    files: Mapping[Model, WaitingFile]
    max_delete: str


def read_upload(request: Request) -> UploadForm:
    """Return the form; its token comes before the files, so that nothing is kept of a form of another site.

    The caller closes the files. Whether they hold NDJSON or an array, gzipped or not, is seen by their content.

    Raises:
        Forbidden: the token isn't that of this browser.
        InvalidParameter: a field is unknown, repeated or too long, or no file was chosen.
        PaymentAggError: the body can't be read; see ``multipart_events``.
    """
    texts: dict[str, bytes] = {}
    files: dict[Model, WaitingFile] = {}
    with ExitStack() as opened:
        name = ""
        for event in multipart_events(request):
            if isinstance(event, MultipartSegment):
                name = event.name
                if name in texts or _MODELS.get(name) in files:
                    raise InvalidParameter(name, "must be sent only once")
                if name in _FIELDS:
                    texts[name] = b""
                elif name in _MODELS:
                    check_form(request, texts.get(FORM_TOKEN, b"").decode("utf-8", "replace"))
                    file = files[_MODELS[name]] = WaitingFile((event.filename or name)[:_MAX_NAME])
                    opened.callback(file.close)
                else:
                    raise InvalidParameter(name, "is not a field of this form")
            elif event and name in _MODELS:
                files[_MODELS[name]].write(event)
            elif event:
                texts[name] += event
                if len(texts[name]) > _MAX_FIELD:
                    raise InvalidParameter(name, f"must have at most {_MAX_FIELD} bytes")
        check_form(request, texts.get(FORM_TOKEN, b"").decode("utf-8", "replace"))
        chosen = {model: file for model, file in files.items() if file.size}
        if not chosen:
            raise InvalidParameter(
                "files", "choose one of patients, one of payments, or both; an empty one doesn't count"
            )
        for model, file in files.items():
            if model not in chosen:
                file.close()
        opened.pop_all()
    return UploadForm(chosen, texts.get("max_delete", b"").decode("utf-8", "replace").strip())
