"""One scrape: what can be known, and what could not be read."""

import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from threading import Lock
from typing import NamedTuple

from django.db import DatabaseError
from prometheus_client.exposition import generate_latest as prometheus_text
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text
from prometheus_client.registry import Collector, CollectorRegistry
from redis import RedisError

from analytics.metrics.live import read_live
from analytics.metrics.state import state_metrics
from analytics.metrics.totals import read_totals
from analytics.metrics.traffic import traffic_metrics
from pool.connection import redis_client

_FRESH = 1.0  # seconds for which an answer is given again: more scrapers cost no more


class LoadBalancerCollector(Collector):
    """Reads database and Redis for each collection; what is away is told, and left out."""

    def collect(self) -> Iterator[Metric]:
        failed = GaugeMetricFamily(
            "lb_scrape_error",
            "Whether this could not be read, so that its part is missing here.",
            labels=["source"],
        )
        try:
            yield from traffic_metrics(read_totals())
            failed.add_metric(["database"], 0)
        except DatabaseError:
            failed.add_metric(["database"], 1)
        try:
            yield from state_metrics(read_live(redis_client(), time.time()))
            failed.add_metric(["redis"], 0)
        except RedisError:
            failed.add_metric(["redis"], 1)
        yield failed
        build = InfoMetricFamily("lb_build", "The software that answers.")
        build.add_metric([], {"version": version("lbsite")})
        yield build


class Format(NamedTuple):
    content_type: str
    encode: Callable[[CollectorRegistry], bytes]


_TEXT = Format("text/plain; version=0.0.4; charset=utf-8", prometheus_text)
_FORMATS = {
    "text/plain": _TEXT,
    "application/openmetrics-text": Format(
        "application/openmetrics-text; version=1.0.0; charset=utf-8", openmetrics_text
    ),
}


def choose(accept: str) -> Format:
    """The first one that is asked for. The library's own way fails on a malformed version."""
    asked = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return next((_FORMATS[kind] for kind in asked if kind in _FORMATS), _TEXT)


class Exposition:
    """The registry as text, in the format that is asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(LoadBalancerCollector())
        self._clock = clock
        self._lock = Lock()
        self._made: dict[Format, tuple[float, bytes]] = {}

    def text(self, accept: str) -> tuple[bytes, str]:
        """With its content type. Those that ask at once wait for one answer."""
        wanted = choose(accept)
        with self._lock:
            at, text = self._made.get(wanted, (float("-inf"), b""))
            if self._clock() - at > _FRESH:
                text = wanted.encode(self._registry)
                self._made[wanted] = (self._clock(), text)
        return text, wanted.content_type
