"""A backend's ejection and a pool's outlier policy."""

import time

import msgspec
import pytest

from pool.bus import EJECTIONS_KEY
from pool.models import Pool
from pool.outliers.records import Ejection, Ejections

POOL = "/api/v1/pools/web/"
BACKEND = f"{POOL}backends/one/"


@pytest.fixture
def ejected(one, redis_client):
    now = time.time()
    ejection = Ejection(since=now, until=now + 30, times=2, cause="5 failures in a row")
    state = msgspec.json.encode(Ejections(by_id={one.pk: ejection}))
    redis_client.hset(EJECTIONS_KEY, str(one.pool_id), state)


def test_it_is_shown_with_its_backend_while_it_is_looked_for(boss, ejected):
    assert boss.get(BACKEND).json()["ejection"] is None
    Pool.objects.update(outlier_enabled=True)
    shown = boss.get(BACKEND).json()["ejection"]
    assert (shown["times"], shown["cause"]) == (2, "5 failures in a row")
    assert shown["since"] < shown["until"]
    assert boss.get(POOL).json()["traffic"]["tiers"][0]["healthy"] == 0


def test_nobody_knows_while_redis_is_away(boss, one, redis_away):
    Pool.objects.update(outlier_enabled=True)
    assert boss.get(BACKEND).json()["ejection"] is None


def test_the_policy_is_set_by_name(boss, one, redis_client):
    wanted = {"outlier_enabled": True, "outlier_max_ejected": 34, "outlier_consecutive_5xx": 0}
    answer = boss.patch(POOL, wanted, format="json")
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outlier_max_ejected", 101),
        ("outlier_max_ejected", -1),
        ("outlier_interval", 0),
        ("outlier_base_time", -1),
        ("outlier_max_time", 29.9),
        ("outlier_success_hosts", 1),
        ("outlier_success_requests", 0),
        ("outlier_success_deviations", -0.1),
        ("outlier_success_deviations", 11),
        ("outlier_success_deviations", "inf"),
        ("outlier_success_deviations", "nan"),
        ("outlier_consecutive_5xx", "many"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name_and_changes_nothing(
    boss, one, redis_client, field, value
):
    before = Pool.objects.values().get()
    answer = boss.patch(POOL, {field: value, "outlier_enabled": True}, format="json")
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert Pool.objects.values().get() == before
