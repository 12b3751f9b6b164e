"""A scrape, read back by prometheus-client's own parser."""

import time

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from analytics.metrics.collector import Exposition
from pool.bus import EDGES_KEY, SNAPSHOT_KEY, BackendLoad, EdgeReport, load_key
from pool.compilation import compile_configuration
from pool.connection import redis_client as product_redis_client
from pool.models import Backend, Pool
from pool.snapshot import build, encode


class Scrape:
    """Samples by name and labels. An empty label is as none, as it is to Prometheus."""

    def __init__(self, text):
        self.families = {one.name: one for one in text_string_to_metric_families(text)}
        self._samples = {
            (sample.name, frozenset((k, v) for k, v in sample.labels.items() if v)): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __getitem__(self, name):
        return self.get(name)

    def get(self, name, **labels):
        return self._samples.get((name, frozenset(labels.items())))

    def counters(self):
        return {
            key: value
            for key, value in self._samples.items()
            if key[0].endswith(("_total", "_bucket", "_count", "_sum"))
        }


@pytest.fixture
def scrape():
    return lambda: Scrape(Exposition().text("")[0].decode())


@pytest.fixture
def publish(redis_client):
    def publish():
        redis_client.set(SNAPSHOT_KEY, encode(build(7, *compile_configuration())))

    return publish


@pytest.fixture
def shop(publish):
    """A pool of two, published."""
    pool = Pool.objects.create(name="shop", outlier_enabled=True)
    for name in ("a", "b"):
        Backend.objects.create(pool=pool, name=name, url=f"http://{name}.secret.example:80")
    publish()
    return pool


@pytest.fixture
def worker(redis_client):
    """Says of itself what an edge worker says."""

    def worker(pid, loads=None, **fields):
        report = {
            "worker_id": f"worker-{pid}",
            "host": "edge-1",
            "pid": pid,
            "version": "1",
            "snapshot_number": 7,
            "snapshot_hash": "",
            "snapshot_since": 1000.0,
            "started_at": 900.0,
            "seen_at": time.time(),
            "requests": 0,
        } | fields
        redis_client.hset(EDGES_KEY, report["worker_id"], msgspec.json.encode(EdgeReport(**report)))
        for backend, (in_flight, weight) in (loads or {}).items():
            load = BackendLoad(in_flight=in_flight, weight=weight)
            redis_client.hset(
                load_key(report["worker_id"]), str(backend.pk), msgspec.json.encode(load)
            )

    return worker


@pytest.fixture
def redis_away(settings):
    settings.LB_REDIS_URL = "redis://:hunter2@127.0.0.1:1/0"
    product_redis_client.cache_clear()
    yield
    product_redis_client.cache_clear()
