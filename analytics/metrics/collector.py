"""One scrape: what can be known, and what could not be read."""

import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from threading import Lock

from django.db import DatabaseError
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
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


class Exposition:
    """The registry as text, in the format that is asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(LoadBalancerCollector())
        self._clock = clock
        self._lock = Lock()
        self._made: dict[str, tuple[float, bytes]] = {}  # by content type

    def text(self, accept: str) -> tuple[bytes, str]:
        """With its content type. Those that ask at once wait for one answer."""
        encode, content_type = choose_encoder(accept)
        with self._lock:
            at, text = self._made.get(content_type, (float("-inf"), b""))
            if self._clock() - at > _FRESH:
                text = encode(self._registry)
                self._made[content_type] = (self._clock(), text)
        return text, content_type
