"""A pool's health checks and a backend's own, by the names of their columns."""

from pool.models import Pool

BACKEND = "/api/v1/pools/web/backends/one/"


def test_a_pools_probes_are_set(boss, web):
    settings = {
        "health_kind": "https",
        "health_method": "HEAD",
        "health_headers": [{"action": "set", "name": "X-Probe", "value": "1"}],
        "health_degraded_latency": 0.5,
        "health_jitter": 10,
    }
    answer = boss.patch("/api/v1/pools/web/", settings, format="json")
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in settings} == settings
    assert Pool.objects.get().health_kind == "https"


def test_a_backend_has_none_of_its_own_at_first(boss, one):
    body = boss.get(BACKEND).json()
    own = {name: value for name, value in body.items() if name.startswith("health_")}
    assert "health_url" in own
    assert set(own.values()) == {None}


def test_a_backends_own_are_set_and_taken_back(boss, one):
    answer = boss.patch(BACKEND, {"health_path": "/up", "health_rise": 5}, format="json")
    assert (answer.status_code, answer.json()["health_path"]) == (200, "/up")
    answer = boss.patch(BACKEND, {"health_path": None, "health_rise": None}, format="json")
    assert (answer.json()["health_path"], answer.json()["health_rise"]) == (None, None)


def test_a_pattern_that_is_none_is_an_error_at_its_field(boss, one):
    answer = boss.patch(BACKEND, {"health_body": "(a"}, format="json")
    assert answer.status_code == 400
    (problem,) = answer.json()["health_body"]
    assert problem.startswith("Correct the regular expression")
    assert problem.endswith("missing ): (a.")
    one.refresh_from_db()
    assert one.health_body is None
