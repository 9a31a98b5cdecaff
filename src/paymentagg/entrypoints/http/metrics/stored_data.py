"""What is read from the database when the metrics are: how old the data are, whoever has synced them."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from paymentagg.domain.errors import PaymentAggError
from paymentagg.domain.ports import Database, Freshness

log = logging.getLogger(__name__)

STALE_AFTER = timedelta(hours=26)
"""The age of the last sync from which a practice counts as stale: a nightly sync may be two hours late."""


class StoredData(Collector):
    """The metrics of the database; one that can't be read has none but ``paymentagg_database_up``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, after one read."""
        now = datetime.now(UTC)
        found = self._read(now)
        yield GaugeMetricFamily(
            "paymentagg_database_up", "Whether the database can be read, 1 or 0", value=float(found is not None)
        )
        if found is not None:
            yield from _families(found, now)

    def _read(self, now: datetime) -> Freshness | None:
        if any(pool.name == "readers" and pool.in_use >= pool.maximum for pool in self._database.pools()):
            return None  # the metrics that say so must not wait for a connection
        try:
            return self._database.freshness(now - STALE_AFTER)
        except PaymentAggError as error:
            log.warning("the database can't be read for metrics: %s", error)
            return None


def _families(found: Freshness, now: datetime) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "paymentagg_last_good_sync_age_seconds",
        "Seconds since the last sync that was done, by whomever, and isn't taken back; of many practices the most",
        labels=["model"],
    )
    for model, at in found.last_good.items():
        age.add_metric([model.plural], max(0.0, (now - at).total_seconds()))
    yield age
    stored = GaugeMetricFamily("paymentagg_stored_rows", "Rows after the last sync", labels=["model"])
    for model, rows in found.stored.items():
        stored.add_metric([model.plural], rows)
    yield stored
    if found.practices is not None:
        yield GaugeMetricFamily("paymentagg_practices", "Practices that aren't archived", value=found.practices)
        yield GaugeMetricFamily(
            "paymentagg_stale_practices", "Practices without a good sync for 26 hours", value=found.stale or 0
        )
