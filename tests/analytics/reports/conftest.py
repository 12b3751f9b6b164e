"""Traffic whose single requests are known, so that reports can be checked without them."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest

from analytics import store
from analytics.reports import Clock, Scope
from pool.bus import TrafficBatch, TrafficSecond

NOW = datetime(2026, 5, 4, 12, 34, 56, tzinfo=UTC)
NAMES = (("shop", "", 0), ("shop", "a", 1), ("shop", "b", 2), ("blog", "c", 3), ("", "", 0))


@dataclass(frozen=True)
class Request:
    at: int
    pool: str
    backend: str
    route: int
    us: int  # from first byte to last
    first_byte: int
    status: int
    aborted: bool


@dataclass
class Log:
    """What the clients saw, and the batches that tell of it."""

    requests: list[Request]
    batches: list[TrafficBatch]

    def within(self, span, scope=Scope()):  # noqa: B008 - immutable
        return [
            one
            for one in self.requests
            if span.start <= one.at
            and (span.running or one.at < span.end)
            and scope.pool in ("", one.pool)
            and scope.backend in ("", one.backend)
            and scope.route in (None, one.route)
        ]


def percentile(values, q):
    return sorted(values)[ceil(round(q * len(values), 6)) - 1]


def _make(row, times, generator, seq, at):
    """A second of traffic: its batch, and its requests."""
    rows, requests = [], []
    for pool, backend, number in NAMES:
        for route in (1, 2) if pool else (0,):
            own = [
                Request(
                    at=at,
                    pool=pool,
                    backend=backend,
                    route=route,
                    us=(us := int(generator.lognormvariate(9, 1.5)) + 1),
                    first_byte=max(1, us // 2),
                    status=(status := generator.choice([200, 200, 204, 302, 404, 499, 500, 503])),
                    aborted=status == 499,
                )
                for _ in range(generator.randrange(4))
            ]
            if own:
                rows.append(_row(row, times, own, number))
                requests += own
    second = TrafficSecond(at=at, rows=rows)
    return TrafficBatch(source="edge", seq=seq, seconds=[second]), requests


def _row(row, times, own, number):
    classes = {
        f"status_{group}xx": sum(one.status // 100 == group for one in own) for group in range(2, 6)
    }
    return row(
        tuple(one.us for one in own),
        route_id=own[0].route,
        pool_id=len(own[0].pool),
        pool=own[0].pool,
        backend_id=number,
        backend=own[0].backend,
        client_aborts=sum(one.aborted for one in own),
        first_byte=times([one.first_byte for one in own] if number else []),
        **classes,
    )


@pytest.fixture
def make_log(row, times):
    """Random traffic at some of the seconds of so many last days, counted."""

    def make(days, count=150, seed=7):
        generator = random.Random(seed)
        end = int(NOW.timestamp())
        log = Log([], [])
        for seq in range(1, count + 1):
            # Most of it lately, where buckets are narrow.
            age = int(timedelta(days=days).total_seconds() * generator.random() ** 4)
            made, requests = _make(row, times, generator, seq, end - age)
            log.batches.append(made)
            log.requests += requests
        store.add(log.batches, NOW)
        return log

    return make


@pytest.fixture
def clock():
    return Clock.read(now=NOW)
