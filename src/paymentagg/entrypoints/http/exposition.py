"""The metrics of the server, in the text formats of Prometheus."""

from collections.abc import Iterator

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from pyramid.response import Response

from paymentagg.entrypoints.http.metrics.stored_data import StoredData
from paymentagg.entrypoints.http.parameters import queries
from paymentagg.entrypoints.http.request import Request


class _Together(Collector):
    """What was counted, then what is stored."""

    def __init__(self, counted: CollectorRegistry, stored: StoredData) -> None:
        self._parts = (counted, stored)

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            yield from part.collect()


def serve(request: Request) -> Response:
    """Return the metrics; as OpenMetrics if the client asks for it. They have no data of patients in them."""
    queries.no_parameters(request.query_string)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    registry = request.registry
    together = _Together(registry.metrics.registry(), StoredData(registry.database))
    response = Response(body=encode(together))
    response.headers["Content-Type"] = content_type
    return response
