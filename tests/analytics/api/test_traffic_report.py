"""GET /api/v1/reports/traffic/"""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from analytics import store
from pool.models import Pool

pytestmark = pytest.mark.django_db

URL = "/api/v1/reports/traffic/"
HEADING = {"period", "since", "until", "running", "timezone", "step", "notes"}
STATUSES = {f"status_{number}xx" for number in range(1, 6)}
COUNTS = {"requests", "successes", "errors", "client_aborts", "retries", "hedges", "rejected"}
NUMBERS = {*COUNTS, *STATUSES, "bytes_in", "bytes_out", "latency_ms"}


def _client(user=None):
    client = APIClient()
    if user:
        client.force_authenticate(user)
    return client


@pytest.fixture
def traffic(batch, row):
    now = timezone.now()
    rows = [
        row((1000,) * 3, backend="a"),
        row((3000,), backend_id=2, backend="b", status_2xx=0, status_5xx=1),
        row((1,), backend_id=0, backend="", status_2xx=0, status_5xx=1),
    ]
    store.add([batch(*rows, at=int(now.timestamp()))], now)


def test_the_shape_of_the_answer(viewer, traffic):
    answer = viewer.get(URL, {"period": "5m"}).json()
    assert set(answer) == HEADING | {"totals", "backend_count", "backends", "series"}
    assert answer["period"] == "5m"
    assert set(answer["totals"]) == NUMBERS | {"answered_by_edge"}
    assert [(one["pool"], one["backend"], one["share"]) for one in answer["backends"]] == [
        ("shop", "a", 0.75),
        ("shop", "b", 0.25),
    ]
    assert set(answer["backends"][0]) == NUMBERS | {*("pool", "backend", "share", "in_flight_peak")}


def test_the_numbers(viewer, traffic):
    totals = viewer.get(URL, {"period": "5m"}).json()["totals"]
    assert (totals["requests"], totals["successes"], totals["errors"]) == (5, 3, 2)
    assert totals["answered_by_edge"] == 1
    assert set(totals["latency_ms"]) == {*("avg", "min", "max", "p50", "p90", "p95", "p99", "p999")}
    assert (totals["latency_ms"]["min"], totals["latency_ms"]["max"]) == (0.001, 3.0)
    assert totals["latency_ms"]["avg"] == pytest.approx(1.2, abs=0.001)


@pytest.mark.parametrize("period", ["5m", "30m", "1h", "6h", "24h", "7d", "30d", "all"])
def test_every_period(viewer, traffic, period):
    answer = viewer.get(URL, {"period": period}).json()
    assert (answer["period"], answer["totals"]["requests"]) == (period, 5)


def test_an_hour_unless_said_otherwise(viewer, traffic):
    assert viewer.get(URL).json()["period"] == "1h"


def test_without_traffic_latency_is_null(viewer):
    answer = viewer.get(URL, {"period": "all"}).json()
    assert answer["totals"]["latency_ms"] is None
    assert (answer["totals"]["requests"], answer["backends"]) == (0, [])


def test_one_pool_and_one_backend(viewer, traffic):
    answer = viewer.get(URL, {"pool": "shop", "backend": "b"}).json()
    assert answer["totals"]["requests"] == 1
    assert [one["backend"] for one in answer["backends"]] == ["b"]


def test_a_pool_without_traffic_is_no_error(viewer, traffic):
    Pool.objects.create(name="quiet")
    answer = viewer.get(URL, {"pool": "quiet"})
    assert (answer.status_code, answer.json()["totals"]["requests"]) == (200, 0)


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        (
            {"period": "2h"},
            "period",
            "“2h” is not a period; give one of 5m, 30m, 1h, 6h, 24h, 7d, 30d, all.",
        ),
        ({"pool": "shpo"}, "pool", "There is no pool “shpo”; there are: shop."),
        ({"backend": "z"}, "backend", "There is no backend “z”; there are: a, b."),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(viewer, traffic, query, field, message):
    answer = viewer.get(URL, query)
    assert answer.status_code == 400
    assert answer.json() == {field: [message]}


def test_an_empty_parameter_is_as_good_as_none(viewer, traffic):
    answer = viewer.get(URL, {"period": "", "pool": "", "backend": ""}).json()
    assert (answer["period"], answer["totals"]["requests"]) == ("1h", 5)


def test_many_names_are_not_all_listed(viewer):
    for number in range(25):
        Pool.objects.create(name=f"p{number:02}")
    assert viewer.get(URL, {"pool": "x"}).json()["pool"][0].endswith("p19 and 5 more.")


def test_the_view_permission_is_needed():
    assert _client().get(URL).status_code == 401
    assert _client(User.objects.create_user("nobody")).get(URL).status_code == 403


def test_only_reading(viewer):
    for method in (viewer.post, viewer.put, viewer.delete):
        assert method(URL).status_code in (403, 405)


def test_the_schema_describes_it():
    schema = APIClient().get("/api/v1/schema/", {"format": "json"}).json()
    operation = schema["paths"][URL]["get"]
    parameters = {one["name"]: one for one in operation["parameters"]}
    assert set(parameters) == {
        *("period", "from", "to", "tz", "periods", "step", "pool", "backend", "route"),
        *("limit", "offset", "top", "table", "format", "percentiles"),
    }
    allowed = parameters["period"]["schema"]
    assert "enum" in allowed or "allOf" in allowed or "$ref" in allowed
    properties = schema["components"]["schemas"]["TrafficReport"]["properties"]
    assert set(properties) == HEADING | {"totals", "backend_count", "backends", "series"}
    assert "errors" in schema["components"]["schemas"]["Totals"]["properties"]
