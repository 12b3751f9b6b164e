"""Where a pool's traffic goes, and moving it by hand; stand-ins by name."""

import msgspec
import pytest

from pool.bus import CIRCUITS_KEY, HEALTH_KEY, HealthStatus
from pool.choices import CircuitMode, CircuitState, HealthState
from pool.circuits.records import Circuit
from pool.models import Backend, Event, Pool

URL = "/api/v1/pools/web/"


@pytest.fixture
def two(web):
    return Backend.objects.create(pool=web, name="two", url="http://127.0.0.1:9002", tier=1)


@pytest.fixture
def fall_ill(redis_client):
    def say(backend):
        status = HealthStatus(state=HealthState.UNHEALTHY, since=1.0)
        redis_client.hset(HEALTH_KEY, str(backend.pk), msgspec.json.encode(status))

    return say


def traffic(client):
    return client.get(URL).json()["traffic"]


def test_a_pool_tells_where_its_traffic_goes(boss, one, two, fall_ill):
    whole = {"panic": False, "healthy": 1, "total": 1}
    assert traffic(boss) == {
        "serving": [0],
        "panic": False,
        "tiers": [{"tier": 0, "percent": 100, **whole}, {"tier": 1, "percent": 0, **whole}],
        "floor": 0,
        "manual": False,
        "cause": "",
    }
    fall_ill(one)
    assert traffic(boss)["serving"] == [1]
    fall_ill(two)
    assert (traffic(boss)["serving"], traffic(boss)["panic"]) == ([], True)


def test_an_open_circuit_takes_its_backend_out(boss, one, two, redis_client):
    circuit = Circuit(state=CircuitState.OPEN, generation=1, since=1.0)
    redis_client.hset(CIRCUITS_KEY, str(one.pk), msgspec.json.encode(circuit))
    assert traffic(boss)["serving"] == [1]
    Pool.objects.update(circuit_mode=CircuitMode.OFF)
    assert traffic(boss)["serving"] == [0]


def test_health_checks_that_are_off_leave_nobody_out(boss, one, two, fall_ill):
    fall_ill(one)
    Pool.objects.update(health_enabled=False)
    assert traffic(boss)["serving"] == [0]


def test_traffic_is_unknown_while_redis_is_away(boss, one, redis_away):
    assert traffic(boss) is None


def test_traffic_is_moved_and_let_go_by_hand(boss, one, two):
    moved = boss.post(f"{URL}failover/", {"tier": 1}, format="json")
    assert moved.status_code == 200
    told = moved.json()["traffic"]
    assert (told["serving"], told["floor"], told["manual"]) == ([1], 1, True)
    assert traffic(boss)["cause"] == "by hand"
    back = boss.post(f"{URL}failback/")
    assert (back.status_code, back.json()["traffic"]["serving"]) == (200, [0])
    assert {event.actor for event in Event.objects.all()} == {"boss"}


@pytest.mark.parametrize("tier", [0, 7, 99, "x", None])
def test_a_tier_that_cannot_be_meant_is_refused_by_name(boss, one, two, tier):
    answer = boss.post(f"{URL}failover/", {"tier": tier}, format="json")
    assert (answer.status_code, list(answer.json())) == (400, ["tier"])


def test_a_failback_without_a_failover_is_refused(boss, one, two):
    assert boss.post(f"{URL}failback/").status_code == 400


def test_traffic_is_not_moved_without_the_right_to_change(reader, one, two):
    for verb in ("failover", "failback"):
        assert reader.post(f"{URL}{verb}/", {"tier": 1}, format="json").status_code == 403


def test_while_redis_is_away_nothing_is_moved_and_that_is_said(boss, one, two, redis_away):
    assert boss.post(f"{URL}failover/", {"tier": 1}, format="json").status_code == 503


# --- stand-ins ---


def test_a_stand_in_names_its_backend(boss, one):
    spare = {"name": "spare", "url": "http://127.0.0.1:9009", "backup_of": "one"}
    made = boss.post(f"{URL}backends/", spare, format="json")
    assert (made.status_code, made.json()["backup_of"]) == (201, "one")
    listed = {row["name"]: row["backup_of"] for row in boss.get(URL).json()["backends"]}
    assert listed == {"one": None, "spare": "one"}
    freed = boss.patch(f"{URL}backends/spare/", {"backup_of": None}, format="json")
    assert freed.json()["backup_of"] is None


def test_a_backend_of_another_pool_is_none_to_stand_in_for(boss, one):
    other = Pool.objects.create(name="other")
    Backend.objects.create(pool=other, name="far", url="http://127.0.0.1:9003")
    answer = boss.patch(f"{URL}backends/one/", {"backup_of": "far"}, format="json")
    assert answer.json() == {"backup_of": ["This pool has no backend named far."]}


def test_a_backend_is_not_deleted_under_its_stand_in(boss, one, web):
    Backend.objects.create(pool=web, name="spare", url="http://127.0.0.1:9009", backup_of=one)
    answer = boss.delete(f"{URL}backends/one/")
    assert (answer.status_code, answer.json()) == (
        409,
        {"detail": "Stood in for by backend web/spare: change or delete that first."},
    )
    assert boss.delete(URL).status_code == 204  # a pool goes with all of its backends
