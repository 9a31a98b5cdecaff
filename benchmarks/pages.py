"""The section that measures the pages for browsers and the figures: the latency of one request after the other."""

from collections.abc import Iterator
from functools import partial
from urllib.parse import quote

import web_servers
from bench import Bench, Goal, Result
from reads import contenders

ONE_CONNECTION = ("--connections", "1")
PAGE_MS = 60
"""The longest median of a page, at the server."""

PAGES = {
    "overview": "/ui",
    "patients": "/ui/patients",
    "patients, a range": "/ui/patients?payment_min=1000&payment_max=2000",
    "patients, a part of many names": "/ui/patients?q=an",
    "patients by total": "/ui/patients?sort=-paymentTotal",
    "a patient": "/ui/patients/{patient}",
    "syncs": "/ui/syncs",
    "changes of a sync": "/ui/syncs/2",
    "changes of a sync of all rows": "/ui/syncs/1",
    "rejected rows of a sync": "/ui/syncs/2?show=rejected",
    "upload": "/ui/upload",
}
FIGURES = {
    "figures": ("/stats", 30),
    "histogram": ("/stats/histogram", 30),
    "syncs by day": ("/stats/syncs", 30),
    "search": ("/patients?q=an", 60),
}
"""The path of each, and the longest median in milliseconds."""


def pages(bench: Bench) -> Iterator[Result]:
    """Yield each page and each figure, on both engines, after a first load and a sync of 1 % changed payments."""
    for engine, paymentagg in contenders(bench).items():
        paymentagg.snapshots.json("payments", "changed")
        paymentagg.begin("payments")
        paymentagg.sync("payments", "changed")
        with web_servers.paymentagg(bench.folder, paymentagg.url) as server:
            _, body = server.get("/patients?limit=1")
            patient = quote(body.decode().partition('"externalId":"')[2].partition('"')[0], safe="")
            paths = {name: path.replace("{patient}", patient) for name, path in PAGES.items()}
            limits = dict.fromkeys(PAGES, PAGE_MS) | {name: limit for name, (_, limit) in FIGURES.items()}
            paths |= {name: path for name, (path, _) in FIGURES.items()}
            cases = {name: partial(server.load, path, bench.seconds, *ONE_CONNECTION) for name, path in paths.items()}
            yield bench.sample(
                f"pages and figures, {engine}",
                cases,
                [Goal("p50_ms", limit, above=name) for name, limit in limits.items()],
            )
