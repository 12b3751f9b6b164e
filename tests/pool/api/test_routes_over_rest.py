"""Routes name their pool."""

from pool.models import Route

URL = "/api/v1/routes/"


def test_a_route_is_made_and_normalised(boss, web):
    answer = boss.post(
        URL, {"host": "*.Example.com", "path_prefix": "/api/", "pool": "web"}, format="json"
    )
    assert answer.status_code == 201
    body = answer.json()
    assert (body["host"], body["path_prefix"], body["pool"]) == ("*.example.com", "/api", "web")
    assert (body["strip_prefix"], body["priority"]) == (False, 0)


def test_a_pool_that_is_not_there_is_refused(boss, web):
    answer = boss.post(URL, {"pool": "none"}, format="json")
    assert answer.status_code == 400
    assert list(answer.json()) == ["pool"]


def test_two_spellings_of_one_route_are_refused(boss, web):
    Route.objects.create(pool=web, path_prefix="/api")
    answer = boss.post(URL, {"path_prefix": "/api/", "pool": "web"}, format="json")
    assert answer.status_code == 400
    assert list(answer.json()) == ["path_prefix"]


def test_a_route_is_changed_and_deleted(boss, route):
    url = f"{URL}{route.pk}/"
    assert boss.patch(url, {"priority": 3}, format="json").json()["priority"] == 3
    assert boss.patch(url, {"path_prefix": "/../x"}, format="json").status_code == 400
    assert boss.delete(url).status_code == 204


def test_routes_are_filtered_by_pool(boss, route):
    assert boss.get(f"{URL}?pool=web").json()["count"] == 1
    assert boss.get(f"{URL}?pool=other").json()["count"] == 0


def test_a_route_has_header_rules_of_its_own(boss, route):
    rules = [{"action": "add", "name": "X-A", "value": "b"}]
    answer = boss.patch(f"{URL}{route.pk}/", {"request_headers": rules}, format="json")
    assert (answer.json()["request_headers"], answer.json()["response_headers"]) == (rules, [])
    bad = {"request_headers": [{"action": "set", "name": "X-A"}]}
    assert boss.patch(f"{URL}{route.pk}/", bad, format="json").json() == {
        "request_headers": ["Rule 1: give a value for X-A, or remove the field."]
    }


def test_a_rate_limit_is_set_told_and_rolled_back(boss, route, commit, published):
    url = f"{URL}{route.pk}/"
    with commit():
        boss.patch(url, {"priority": 1}, format="json")
    before = published()
    with commit():
        answer = boss.patch(url, {"rate_requests": 5, "rate_key": "Cookie:sid"}, format="json")
    assert (answer.status_code, answer.json()["rate_key"]) == (200, "cookie:sid")
    assert published().routes[0].rate_limit.requests == 5
    newest = boss.get("/api/v1/revisions/").json()["results"][0]
    assert newest["summary"].endswith('rate_limit.requests 0 → 5, rate_limit.key "" → cookie:sid')
    with commit():
        boss.post(f"/api/v1/revisions/{before.number}/rollback/")
    assert published().routes == before.routes


def test_a_bad_rate_limit_names_its_field(boss, route):
    for field, value in (
        ("rate_requests", -1),
        ("rate_period", 0),
        ("rate_key", "ip"),
        ("rate_scope", "world"),
        ("rate_burst", 5),
    ):
        answer = boss.patch(f"{URL}{route.pk}/", {field: value}, format="json")
        assert (answer.status_code, list(answer.json())) == (400, [field])
    route.refresh_from_db()
    assert route.rate_requests == 0
