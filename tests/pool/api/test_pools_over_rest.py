"""Pools are made, read, changed and deleted by name."""

import pytest

from pool.hash_key import BY_KEY
from pool.models import Backend, Pool


def test_a_pool_is_made_with_defaults(boss):
    answer = boss.post("/api/v1/pools/", {"name": "web"}, format="json")
    assert answer.status_code == 201
    body = answer.json()
    assert body["name"] == "web"
    assert body["algorithm"] == "weighted_round_robin"
    assert (body["health_interval"], body["connect_timeout"], body["retry_attempts"]) == (2, 5, 3)
    assert body["backends"] == []


def test_a_pool_shows_its_backends(boss, one):
    (backend,) = boss.get("/api/v1/pools/web/").json()["backends"]
    assert backend["name"] == "one"


def test_part_of_a_pool_is_changed(boss, web):
    answer = boss.patch("/api/v1/pools/web/", {"health_interval": 9}, format="json")
    assert answer.status_code == 200
    web.refresh_from_db()
    assert (web.health_interval, web.health_timeout) == (9, 2)


def test_a_pool_is_renamed(boss, web):
    boss.patch("/api/v1/pools/web/", {"name": "shop"}, format="json")
    assert boss.get("/api/v1/pools/shop/").status_code == 200
    assert boss.get("/api/v1/pools/web/").status_code == 404


def test_the_models_rules_are_answered_by_field(boss, web):
    answer = boss.patch("/api/v1/pools/web/", {"health_timeout": 5}, format="json")
    assert answer.status_code == 400
    assert answer.json() == {
        "health_timeout": [
            "Must not be longer than the interval (2 s): shorten it, or probe less often."
        ]
    }


def test_a_number_that_is_none_is_refused(boss):
    answer = boss.post("/api/v1/pools/", {"name": "web", "health_interval": "nan"}, format="json")
    assert answer.status_code == 400
    assert list(answer.json()) == ["health_interval"]


def test_a_taken_name_is_refused(boss, web):
    answer = boss.post("/api/v1/pools/", {"name": "web"}, format="json")
    assert answer.status_code == 400
    assert answer.json() == {"name": ["Another pool has this name; choose another one."]}


def test_a_pool_is_deleted_with_its_backends(boss, one):
    assert boss.delete("/api/v1/pools/web/").status_code == 204
    assert not Backend.objects.exists()


def test_a_pool_that_a_route_uses_is_not_deleted(boss, route):
    answer = boss.delete("/api/v1/pools/web/")
    assert answer.status_code == 409
    assert answer.json() == {"detail": "Still used by route */: change or delete these first."}
    assert Pool.objects.exists()


def test_pools_are_filtered_and_paged(boss, web):
    Pool.objects.create(name="api", algorithm="round_robin")
    names = [pool["name"] for pool in boss.get("/api/v1/pools/").json()["results"]]
    assert names == ["api", "web"]
    filtered = boss.get("/api/v1/pools/?algorithm=round_robin").json()
    assert [pool["name"] for pool in filtered["results"]] == ["api"]
    page = boss.get("/api/v1/pools/?limit=1&offset=1").json()
    assert (page["count"], page["results"][0]["name"]) == (2, "web")


def test_listing_costs_the_same_for_many_backends(boss, web, django_assert_max_num_queries):
    for number in range(20):
        Backend.objects.create(pool=web, url=f"http://127.0.0.1:{9000 + number}")
    with django_assert_max_num_queries(7):
        boss.get("/api/v1/pools/")


RULES = [
    {"action": "set", "name": "X-Frame-Options", "value": "DENY"},
    {"action": "remove", "name": "Server"},
]


def test_header_rules_limits_and_tls_are_set_and_read(boss, web, certificate):
    wanted = {
        "host_header": "app.internal:8080",
        "forwarded_header": True,
        "request_headers": RULES[:1],
        "response_headers": RULES,
        "max_body": 2**40,
        "request_timeout": 30.0,
        "tls_verify": False,
        "tls_ca": certificate,
        "tls_server_name": "app.internal",
    }
    answer = boss.patch("/api/v1/pools/web/", wanted, format="json")
    assert answer.status_code == 200
    read = boss.get("/api/v1/pools/web/").json()
    assert {name: read[name] for name in wanted} == wanted


def test_a_pool_without_header_rules_has_empty_lists(boss, web):
    read = boss.get("/api/v1/pools/web/").json()
    assert (read["request_headers"], read["response_headers"]) == ([], [])


def test_every_bad_header_rule_is_named(boss, web):
    rules = [*RULES, {"action": "set", "name": "Content-Length", "value": "1"}, "remove X"]
    answer = boss.patch("/api/v1/pools/web/", {"response_headers": rules}, format="json")
    assert answer.status_code == 400
    third, fourth = answer.json()["response_headers"]
    assert third.startswith("Rule 3: Content-Length cannot be changed by a rule: ")
    assert fourth.startswith("Rule 4: give an object")


def test_a_list_is_wanted(boss, web):
    for value in ("set X-A: b", {}, None, [None]):
        answer = boss.patch("/api/v1/pools/web/", {"request_headers": value}, format="json")
        assert answer.status_code == 400
        assert list(answer.json()) == ["request_headers"]


@pytest.mark.parametrize("size", [-1, 2**40 + 1, 2**70, "much"])
def test_a_body_limit_out_of_range_is_refused(boss, web, size):
    answer = boss.patch("/api/v1/pools/web/", {"max_body": size}, format="json")
    assert answer.status_code == 400
    assert list(answer.json()) == ["max_body"]


@pytest.mark.parametrize("body", ["json", "multipart"])
def test_a_private_key_is_refused_and_neither_stored_nor_repeated(boss, web, certificate, body):
    key = "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n"
    for accepted in ("application/json", "text/html"):
        answer = boss.patch(
            "/api/v1/pools/web/", {"tls_ca": certificate + key}, format=body, HTTP_ACCEPT=accepted
        )
        assert answer.status_code == 400
        assert "Remove the private key" in answer.content.decode()
        assert "c2VjcmV0" not in answer.content.decode()
    web.refresh_from_db()
    assert web.tls_ca == ""


def test_a_choice_that_is_none_is_refused_with_those_that_are(boss, web):
    answer = boss.patch("/api/v1/pools/web/", {"tier_mode": "both"}, format="json")
    assert answer.status_code == 400
    (problem,) = answer.json()["tier_mode"]
    assert problem == '"both" is not known here; choose one of these: strict, spill_over.'


def test_a_field_that_is_none_is_refused_and_nothing_changes(boss, web):
    wanted = {"algorithm": "random", "health_intervall": 9, "colour": "red"}
    answer = boss.patch("/api/v1/pools/web/", wanted, format="json")
    assert answer.status_code == 400
    assert answer.json() == {
        "health_intervall": ["There is no such field; did you mean health_interval?"],
        "colour": ["There is no such field."],
    }
    web.refresh_from_db()
    assert web.algorithm != "random"


def test_what_was_read_can_be_sent_back(boss, web):
    read = boss.get("/api/v1/pools/web/").json()
    assert boss.put("/api/v1/pools/web/", read, format="json").status_code == 200


@pytest.mark.parametrize("algorithm", sorted(BY_KEY))
def test_what_needs_a_key_is_refused_for_requests_without_one(boss, web, algorithm):
    """All of them would go to one backend."""
    answer = boss.patch("/api/v1/pools/web/", {"hash_fallback": algorithm}, format="json")
    assert answer.status_code == 400
    assert "Choose an algorithm that needs none" in answer.json()["hash_fallback"][0]


def test_retries_and_limits_are_set_told_and_rolled_back(boss, web, commit, published):
    url = "/api/v1/pools/web/"
    with commit():
        boss.patch(url, {"algorithm": "round_robin"}, format="json")
    before = published()
    wanted = {"retry_on_statuses": "502-504, 429", "hedge_after": 0.5, "max_in_flight": 9}
    with commit():
        answer = boss.patch(url, wanted, format="json")
    assert (answer.status_code, answer.json()["retry_on_statuses"]) == (200, "502-504,429")
    pool = published().pools[0]
    assert (pool.retry.on_statuses, pool.retry.hedge_after) == ("502-504,429", 0.5)
    assert pool.limits.max_in_flight == 9
    newest = boss.get("/api/v1/revisions/").json()["results"][0]
    assert 'retry.on_statuses "" → 502-504,429' in newest["summary"]
    with commit():
        boss.post(f"/api/v1/revisions/{before.number}/rollback/")
    assert published().pools == before.pools


def test_a_bad_retry_or_limit_names_its_field(boss, web):
    bad = {"retry_on_statuses": "many", "retry_budget": 101, "try_timeout": -1, "max_queue": -1}
    for field, value in bad.items():
        answer = boss.patch("/api/v1/pools/web/", {field: value}, format="json")
        assert (answer.status_code, list(answer.json())) == (400, [field])


@pytest.mark.parametrize(("path", "readings"), [("pools/", 4), ("pools/web/", 4), ("routes/", 0)])
def test_an_answer_is_one_reading_of_what_is_now(boss, one, redis_client, path, readings):
    """Of health, circuits, ejections and failover: what it says of one thing agrees."""
    redis_client.config_resetstat()
    assert boss.get(f"/api/v1/{path}").status_code == 200
    said = redis_client.info("commandstats").get("cmdstat_hgetall", {"calls": 0})
    assert said["calls"] == readings
