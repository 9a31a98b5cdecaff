"""The files that pages load: each has its digest in its path, so a browser may keep it for ever."""

import hashlib
from collections.abc import Callable
from importlib.resources import files

from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from paymentagg.entrypoints.http.request import Request

_TYPES = {"style.css": "text/css", "script.js": "text/javascript", "icon.svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


class Asset:
    """A file of the package, read once."""

    def __init__(self, name: str) -> None:
        self.content = (files(__package__) / "assets" / name).read_bytes()
        self.media = _TYPES[name]
        stem, _, suffix = name.partition(".")
        self.path = f"/ui/assets/{stem}-{hashlib.sha256(self.content).hexdigest()[:12]}.{suffix}"


ASSETS = {name: Asset(name) for name in _TYPES}
PATHS = {asset.path for asset in ASSETS.values()}


def includeme(config: Configurator) -> None:
    """Serve the files to everybody, signed in or not."""
    for name, asset in ASSETS.items():
        config.add_route(name, asset.path)
        config.add_view(_serving(asset), route_name=name, request_method="GET", permission=NO_PERMISSION_REQUIRED)


def _serving(asset: Asset) -> Callable[[Request], Response]:
    def serve(_request: Request) -> Response:
        response = Response(body=asset.content, content_type=asset.media, charset="utf-8")
        response.headers["Cache-Control"] = _FOR_EVER
        return response

    return serve
