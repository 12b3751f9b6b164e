"""Requests that an edge has noted."""

import itertools

import pytest
from django.utils import timezone

from analytics.requests import store
from pool.bus import RequestBatch, RequestNote

_keys = itertools.count(1)


def make_note(**fields):
    """A request of a moment ago that was answered with 200 by the backend "a"."""
    note = {
        "key": next(_keys),
        "at": int(timezone.now().timestamp() * 1000) - 1000,
        "request_id": "abc",
        "notable": False,
        "client": "192.0.2.7",
        "method": "GET",
        "host": "shop.test",
        "path": "/cart",
        "route_id": 3,
        "pool_id": 7,
        "pool": "shop",
        "backend_id": 1,
        "backend": "a",
        "status": 200,
        "cause": "complete",
        "attempts": 1,
        "bytes_in": 39,
        "bytes_out": 121,
        "queue": 0,
        "retries": 0,
        "connect": 2000,
        "first_byte": 4000,
        "total": 15_000,
        "snapshot": 1,
    }
    return RequestNote(**note | fields)


def make_failure(**fields):
    failure = {"notable": True, "status": 502, "cause": "connect_failed", "first_byte": None}
    return make_note(**failure | fields)


@pytest.fixture
def note():
    return make_note


@pytest.fixture
def failure():
    return make_failure


@pytest.fixture
def batch():
    def make(*notes, left_out=None, at=None):
        at = int(timezone.now().timestamp()) if at is None else at
        return RequestBatch(key=next(_keys), at=at, notes=list(notes), left_out=left_out or {})

    return make


@pytest.fixture
def keep(batch):
    def keep(*notes):
        store.add([batch(*notes)])

    return keep
