"""Traffic to count."""

import itertools
import threading

import msgspec
import pytest

from pool.bus import (
    TRAFFIC_FIELD,
    TRAFFIC_STREAM,
    TrafficBatch,
    TrafficRow,
    TrafficSecond,
    TrafficTimes,
)
from proxy.core.histogram import bucket_index, merge


def make_times(durations):
    return TrafficTimes(
        sum=sum(durations),
        min=min(durations, default=0),
        max=max(durations, default=0),
        histogram=merge({bucket_index(us): 1} for us in durations),
    )


def make_row(durations=(1000,), **fields):
    """A row of as many requests as `durations` (µs), all answered with 200 unless said."""
    count = len(durations)
    row = {
        "route_id": 1,
        "pool_id": 1,
        "pool": "shop",
        "backend_id": 1,
        "backend": "a",
        "requests": count,
        "status_2xx": count,
        "bytes_in": 10 * count,
        "bytes_out": 100 * count,
        "total": make_times(durations),
    }
    return TrafficRow(**row | fields)


_numbers = itertools.count(1)


def make_batch(*rows, at=1_700_000_000, source="edge-1", seq=None):
    seconds = [TrafficSecond(at=at, rows=list(rows) or [make_row()])]
    return TrafficBatch(source=source, seq=seq or next(_numbers), seconds=seconds)


@pytest.fixture
def row():
    return make_row


@pytest.fixture
def times():
    return make_times


@pytest.fixture
def batch():
    return make_batch


@pytest.fixture
def send(redis_client):
    """Puts batches into the stream as an edge does."""

    def send(*batches):
        for one in batches:
            redis_client.xadd(TRAFFIC_STREAM, {TRAFFIC_FIELD: msgspec.msgpack.encode(one)})

    return send


@pytest.fixture
def at_once():
    """Runs functions in threads that start together; returns what they raised."""

    def run(*functions):
        from django.db import connection

        barrier = threading.Barrier(len(functions))
        errors = []

        def target(function):
            barrier.wait()
            try:
                function()
            except Exception as error:
                errors.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=target, args=(function,)) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return errors

    return run
