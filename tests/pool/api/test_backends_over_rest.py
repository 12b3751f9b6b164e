"""Backends live under their pool, are found by name, and show their health."""

import msgspec
import pytest

from pool.bus import HEALTH_KEY, HealthStatus
from pool.choices import HealthState
from pool.models import Backend, Event, Pool

URL = "/api/v1/pools/web/backends/"


def test_a_backend_is_made(boss, web):
    answer = boss.post(
        URL, {"name": "a", "url": "HTTP://127.0.0.1:9001/", "weight": 5}, format="json"
    )
    assert answer.status_code == 201
    body = answer.json()
    assert {key: body[key] for key in ("pool", "name", "url", "weight", "tier")} == {
        "pool": "web",
        "name": "a",
        "url": "http://127.0.0.1:9001",
        "weight": 5,
        "tier": 0,
    }
    assert (body["max_connections"], body["admin_state"], body["metadata"]) == (0, "active", {})


def test_a_backend_without_a_name_is_found_under_the_one_it_got(boss, web):
    name = boss.post(URL, {"url": "http://127.0.0.1:9001"}, format="json").json()["name"]
    assert name == "127.0.0.1-9001"
    assert boss.get(f"{URL}{name}/").status_code == 200


def test_a_backend_on_a_unix_socket_is_made_and_named(boss, web):
    answer = boss.post(URL, {"url": "unix:///run/app.sock"}, format="json")
    assert answer.status_code == 201
    assert answer.json()["url"] == "unix:/run/app.sock"
    assert boss.get(f"{URL}run-app.sock/").status_code == 200


def test_backends_of_another_pool_are_not_found(boss, one):
    Pool.objects.create(name="other")
    assert boss.get("/api/v1/pools/other/backends/").json()["results"] == []
    assert boss.get("/api/v1/pools/other/backends/one/").status_code == 404


@pytest.mark.parametrize(("method", "body"), [("get", None), ("post", {"url": "http://a"})])
def test_a_pool_that_is_not_there_is_not_found(boss, method, body):
    answer = getattr(boss, method)("/api/v1/pools/none/backends/", body)
    assert answer.status_code == 404


def test_part_of_a_backend_is_changed(boss, one):
    answer = boss.patch(f"{URL}one/", {"weight": 7, "metadata": {"rack": 2}}, format="json")
    assert answer.status_code == 200
    one.refresh_from_db()
    assert (one.weight, one.metadata, one.url) == (7, {"rack": 2}, "http://127.0.0.1:9001")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "http://anna:secret@b"}, "Remove the user name and password"),
        ({"weight": 1001}, "less than or equal to 1000"),
        ({"name": "two words"}, "Use letters"),
        ({"admin_state": "asleep"}, "choose one of these: active,"),
        ({"metadata": [1]}, "JSON object"),
    ],
)
def test_the_models_rules_are_answered_by_field(boss, one, change, message):
    answer = boss.patch(f"{URL}one/", change, format="json")
    assert answer.status_code == 400
    assert list(answer.json()) == list(change)
    assert message in answer.json()[next(iter(change))][0]
    assert b"secret" not in answer.content


def test_all_fields_that_are_wrong_are_named_at_once(boss, one):
    wrong = {"weight": "many", "url": "ftp://a", "health_path": "no slash"}
    answer = boss.patch(f"{URL}one/", wrong, format="json")
    assert answer.status_code == 400
    assert answer.json().keys() == wrong.keys()


def test_a_taken_name_is_answered_by_field(boss, one):
    answer = boss.post(URL, {"name": "one", "url": "http://b"}, format="json")
    assert answer.status_code == 400
    assert answer.json() == {
        "name": ["Another backend of this pool has this name; choose another one."]
    }


def test_a_backend_is_deleted(boss, one):
    assert boss.delete(f"{URL}one/").status_code == 204
    assert not Backend.objects.exists()


@pytest.mark.parametrize(
    ("verb", "state"), [("drain", "draining"), ("maintain", "maintenance"), ("enable", "active")]
)
def test_a_verb_is_posted(boss, one, verb, state):
    answer = boss.post(f"{URL}one/{verb}/")
    assert answer.status_code == 200
    assert answer.json()["admin_state"] == state
    assert [event.actor for event in Event.objects.all()] == ["boss"] * (verb != "enable")


def test_health_is_what_the_probes_say(boss, one, redis_client):
    status = HealthStatus(state=HealthState.UNHEALTHY, since=1_700_000_000, reason="refused")
    redis_client.hset(HEALTH_KEY, one.pk, msgspec.json.encode(status))
    assert boss.get(f"{URL}one/").json()["health"] == {
        "state": "unhealthy",
        "since": "2023-11-14T22:13:20Z",
        "reason": "refused",
    }


def test_health_is_unknown_before_the_first_probe(boss, one):
    health = boss.get(f"{URL}one/").json()["health"]
    assert health == {"state": "unknown", "since": None, "reason": "Not probed yet"}


def test_health_is_unknown_while_redis_is_away(boss, one, redis_away):
    health = boss.get(f"{URL}one/").json()["health"]
    assert (health["state"], health["since"]) == ("unknown", None)
    assert health["reason"].startswith("Redis cannot be reached")


def test_what_is_read_only_stays(boss, one):
    boss.patch(
        f"{URL}one/", {"health": {"state": "healthy"}, "pool": "other", "id": 99}, format="json"
    )
    one.refresh_from_db()
    assert one.pool.name == "web"
