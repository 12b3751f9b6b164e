"""What Redis has of one thing and nobody can read keeps nobody from the others."""

from typing import Any

import pytest
import redis
from django.test import Client

from pool import bus
from pool.bus import by_id
from pool.circuits.live import LiveCircuits
from pool.edges import read_reports, track_edges
from pool.failover.store import FailoverStore, read_state
from pool.health.schedule import Standing, read_standing
from pool.live import UNREADABLE as UNREADABLE_HEALTH
from pool.live import LiveHealth
from pool.models import Backend
from pool.outage import Known
from pool.outliers.records import Ejections, read_ejections
from pool.publish import stored_head
from pool.snapshot import SnapshotError, decode
from tests.unreadable import NAMES, UNREADABLE

pytestmark = pytest.mark.django_db
unreadable = pytest.mark.parametrize("raw", UNREADABLE, ids=NAMES)


@unreadable
def test_each_record_is_taken_for_none(one: Backend, raw: bytes) -> None:
    assert read_standing(raw) == Standing()
    assert read_state(raw) == bus.FailoverState()
    assert read_ejections(raw) == Ejections()
    assert stored_head(raw) is None
    assert Known.read(raw, raw, ejected=False) == Known.read(None, None, ejected=False)
    records = {str(one.pk).encode(): raw}
    assert LiveHealth(records).of(one.pk) is UNREADABLE_HEALTH
    assert LiveCircuits(records).of(one) is None
    with pytest.raises(SnapshotError):
        decode(raw)


@unreadable
def test_the_page_of_the_backend_is_shown(
    admin_client: Client, one: Backend, redis_client: redis.Redis, raw: bytes
) -> None:
    keys = bus.HEALTH_KEY, bus.CIRCUITS_KEY, bus.EJECTIONS_KEY, bus.FAILOVER_KEY
    for key in (*keys, bus.EDGES_KEY, "lb:probe:standing"):
        redis_client.hset(key, str(one.pk), raw)
    assert admin_client.get(f"/admin/pool/backend/{one.pk}/change/").status_code == 200
    assert admin_client.get(f"/admin/pool/pool/{one.pool_id}/change/").status_code == 200


def test_fields_that_are_no_ids_are_passed_over(redis_client: redis.Redis) -> None:
    junk: dict[Any, bytes] = dict.fromkeys((b"", b"-1", b"x", b"\xff", b"9" * 5000), b"{}")
    assert by_id({**junk, b"7": b"7"}) == {7: b"7"}
    redis_client.hset(bus.FAILOVER_KEY, mapping={**junk, b"7": b"{}"})
    assert FailoverStore(redis_client).read_all() == {7: b"{}"}


def test_a_time_of_the_last_look_at_edges_that_is_none_is_replaced(
    redis_client: redis.Redis,
) -> None:
    redis_client.set(bus.EDGES_LOOKED_AT_KEY, b"yesterday")
    track_edges(100.0)
    assert redis_client.get(bus.EDGES_LOOKED_AT_KEY) == b"100.0"


@unreadable
def test_a_report_is_passed_over(redis_client: redis.Redis, raw: bytes) -> None:
    redis_client.hset(bus.EDGES_KEY, mapping={"edge": raw, b"\xff": raw})
    assert read_reports(redis_client) == {}
