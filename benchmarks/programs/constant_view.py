"""The upper bound for reads: a Pyramid view that returns a constant, on waitress with the settings of an ini file.

python benchmarks/programs/constant_view.py PORT production.ini
"""

import configparser
import sys
from typing import Any

import waitress
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

BODY = b'{"id":1,"externalId":"5","firstName":"Rick","lastName":"Deckard","paymentTotal":17.22,"paymentCount":3}\n'


def constant(_: Request) -> Response:
    """Return BODY as JSON, whatever the request is."""
    return Response(body=BODY, content_type="application/json")


def main() -> None:
    """Serve the view on 127.0.0.1 until the process is terminated."""
    port, ini = sys.argv[1:]
    parser = configparser.RawConfigParser()
    parser.read(ini)
    # Any, because waitress casts its settings itself: from text, each to another type.
    settings: dict[str, Any] = {
        name: value for name, value in parser["server:main"].items() if name not in ("use", "listen")
    }
    with Configurator() as config:
        config.add_route("constant", "/")
        config.add_view(constant, route_name="constant")
    waitress.serve(config.make_wsgi_app(), listen=f"127.0.0.1:{port}", _quiet=True, **settings)


if __name__ == "__main__":
    main()
