"""The part of the bench that runs inside of Django: see `__main__`."""

import os
import sys
import time
from collections.abc import Callable
from random import Random
from statistics import median

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lbsite.settings")
django.setup()

import msgspec  # noqa: E402 - after Django's setup, as all of these
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from redis import Redis  # noqa: E402

from analytics.aggregate import Key, Series, sum_of_rows  # noqa: E402
from analytics.levels import EVER  # noqa: E402
from analytics.metrics.collector import Exposition  # noqa: E402
from analytics.metrics.live import read_live  # noqa: E402
from analytics.metrics.totals import read_totals  # noqa: E402
from analytics.tables import BACKENDS  # noqa: E402
from pool.bus import EDGES_KEY, SNAPSHOT_KEY, BackendLoad, EdgeReport, load_key  # noqa: E402
from pool.compilation import compile_configuration  # noqa: E402
from pool.connection import redis_client  # noqa: E402
from pool.models import Backend, Pool  # noqa: E402
from pool.snapshot import build, encode  # noqa: E402
from tests.bench.rollups.traffic import some_second  # noqa: E402

_ROUNDS = 9
_SECONDS = 20  # of traffic, so that histograms are as full as in use
_WORKERS = 4


def main() -> None:
    backends = int(sys.argv[1])
    call_command("migrate", verbosity=0)
    _configure(backends)
    _count()
    _tell(redis_client())
    print(f"{_ms(read_totals):5.0f} ms of CPU: reading the counters")
    print(f"{_ms(lambda: read_live(redis_client(), time.time())):5.0f} ms: reading Redis")
    for accept in ("text/plain", "application/openmetrics-text"):
        text, _ = Exposition().text(accept)
        cost = _ms(lambda accept=accept: Exposition().text(accept))
        print(f"{cost:5.0f} ms: all of {accept}, {len(text):,} bytes, {text.count(10):,} lines")


def _ms(function: Callable[[], object]) -> float:
    costs = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        function()
        costs.append(time.process_time() - began)
    return median(costs) * 1000


def _configure(backends: int) -> None:
    pool = Pool.objects.create(name="shop")
    Backend.objects.bulk_create(
        Backend(pool=pool, name=f"b{number}", url=f"http://10.0.0.1:{number}")
        for number in range(1, backends + 1)
    )


def _count() -> None:
    rollups = {}
    for backend in Backend.objects.select_related("pool"):
        seconds = [some_second(Random(backend.pk + number)) for number in range(_SECONDS)]
        series = Series(1, backend.pool_id, backend.pool.name, backend.pk, backend.name)
        rollups[Key(EVER, 0, series)] = sum_of_rows(seconds)
    with transaction.atomic():
        BACKENDS.merge(rollups)


def _tell(redis: "Redis") -> None:
    """What edges say of themselves."""
    redis.set(SNAPSHOT_KEY, encode(build(1, *compile_configuration())))
    now = time.time()
    load = msgspec.json.encode(BackendLoad(in_flight=3, latency=2000, weight=1.0))
    loads = {str(number): load for number in Backend.objects.values_list("pk", flat=True)}
    for pid in range(_WORKERS):
        report = EdgeReport(
            worker_id=f"worker-{pid}",
            host="edge",
            pid=pid,
            version="",
            snapshot_number=1,
            snapshot_hash="",
            snapshot_since=now,
            started_at=now,
            seen_at=now + 3600,  # they do not leave while this is measured
            requests=0,
        )
        redis.hset(EDGES_KEY, report.worker_id, msgspec.json.encode(report))
        redis.hset(load_key(report.worker_id), mapping=loads)


if __name__ == "__main__":
    main()
