"""What all reports have in common over REST: formats, caching, pages, errors, description."""

import csv
import io
import json

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from analytics import store
from pool.models import Backend, Pool

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/reports/"
REPORTS = ["traffic", "distribution", "latency", "errors", "compare"]
OLD = {"from": "2026-01-01T00:00Z", "to": "2026-01-02T00:00Z"}


@pytest.fixture
def count(batch, row):
    def count(**requests):
        now = timezone.now()
        rows = [
            row((1000,) * number, backend_id=index, backend=name)
            for index, (name, number) in enumerate(requests.items(), 1)
        ]
        store.add([batch(*rows, at=int(now.timestamp()) - 1)], now)

    return count


def text(answer):
    return b"".join(answer.streaming_content).decode()


def table(answer):
    return list(csv.DictReader(io.StringIO(text(answer))))


@pytest.mark.parametrize("report", REPORTS)
def test_an_empty_database_is_no_error(viewer, report):
    for period in ("5m", "24h", "all") if report != "compare" else ("5m", "24h"):
        assert viewer.get(f"{ROOT}{report}/", {"period": period}).status_code == 200


@pytest.mark.parametrize("report", REPORTS)
def test_the_view_permission_is_needed(report):
    client = APIClient()
    assert client.get(f"{ROOT}{report}/").status_code == 401
    client.force_authenticate(User.objects.create_user("nobody"))
    assert client.get(f"{ROOT}{report}/").status_code == 403


# --- formats ---


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize(
    ("format", "type"), [("csv", "text/csv"), ("ndjson", "application/x-ndjson")]
)
def test_each_table_of_each_report_is_a_file(viewer, count, report, format, type):  # noqa: A002
    count(a=3, b=1)
    refused = viewer.get(f"{ROOT}{report}/", {"format": format, "table": "?"})
    [error] = refused.json()["table"]
    tables = error.rpartition(" one of ")[2].rstrip(".").split(", ")
    for name in tables:
        answer = viewer.get(f"{ROOT}{report}/", {"format": format, "table": name})
        assert answer["Content-Type"] == f"{type}; charset=utf-8"
        assert f'filename="{report}.{format}"' in answer["Content-Disposition"]
        lines = text(answer).splitlines()
        if format == "ndjson":
            assert all(isinstance(json.loads(line), dict) for line in lines)
        else:
            assert all(
                "." not in column or column.count(".") == 1 for column in lines[0].split(",")
            )


def test_csv_has_what_json_has(viewer, count):
    count(a=3, b=1)
    series = viewer.get(f"{ROOT}traffic/", {"step": "1m"}).json()["series"]
    rows = table(viewer.get(f"{ROOT}traffic/", {"step": "1m", "format": "csv"}))
    assert [row["at"] for row in rows] == [point["at"] for point in series]
    assert sum(int(row["requests"]) for row in rows) == 4
    backends = table(viewer.get(f"{ROOT}traffic/", {"table": "backends", "format": "csv"}))
    assert [(row["backend"], row["share"]) for row in backends] == [("a", "0.75"), ("b", "0.25")]
    assert backends[0]["latency_ms.p99"] == "1.0"


def test_ndjson_has_what_json_has(viewer, count):
    count(a=3, b=1)
    backends = viewer.get(f"{ROOT}latency/").json()["backends"]
    lines = text(viewer.get(f"{ROOT}latency/", {"format": "ndjson"})).splitlines()
    assert [json.loads(line) for line in lines] == backends


def test_accept_asks_for_a_format_as_well(viewer):
    answer = viewer.get(f"{ROOT}errors/", headers={"Accept": "text/csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"


def test_no_name_becomes_a_formula(viewer, count):
    count(**{"=cmd|' /C calc'!A0": 2, "+1": 1, "-1": 1, "@x": 1})
    rows = table(viewer.get(f"{ROOT}traffic/", {"table": "backends", "format": "csv"}))
    assert len(rows) == 4
    assert all(row["backend"].startswith("'") for row in rows)


def test_a_table_has_all_backends(viewer, count):
    count(**{f"b{number:03}": 1 for number in range(150)})
    query = {"table": "backends", "format": "csv"}
    assert len(table(viewer.get(f"{ROOT}traffic/", query))) == 150
    assert len(table(viewer.get(f"{ROOT}traffic/", {**query, "limit": 7}))) == 7


@pytest.mark.parametrize("format", ["csv", "ndjson"])
def test_an_error_is_json_whatever_was_asked_for(viewer, format):  # noqa: A002
    answer = viewer.get(f"{ROOT}traffic/", {"format": format, "step": "2m"})
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
    assert list(answer.json()) == ["step"]


def test_a_format_that_does_not_exist_is_refused_with_those_that_do(viewer):
    answer = viewer.get(f"{ROOT}traffic/", {"format": "xml"})
    assert answer.status_code == 400
    assert answer.json() == {
        "format": ["“xml” is not a format of this; give one of json, api, csv, ndjson."]
    }


# --- pages ---


@pytest.mark.parametrize("report", REPORTS)
def test_many_backends_come_in_pages(viewer, count, report):
    names = [f"b{number:03}" for number in range(120)]
    count(**dict.fromkeys(names, 1))

    def page(**query):
        answer = viewer.get(f"{ROOT}{report}/", query).json()
        assert answer["backend_count"] == 120
        return [one["backend"] for one in answer["backends"]]

    assert page() == names[:100]
    assert page(offset=100) == names[100:]
    assert page(limit=2, offset=5) == ["b005", "b006"]
    assert len(page(top=3)) == 3


def test_those_with_most_requests_come_first_if_only_some_are_asked_for(viewer, count):
    count(a=1, b=5, c=3)
    answer = viewer.get(f"{ROOT}traffic/", {"top": 2}).json()
    assert [one["backend"] for one in answer["backends"]] == ["b", "c"]
    assert answer["totals"]["requests"] == 9


# --- caching ---


@pytest.mark.parametrize("report", REPORTS)
def test_what_has_not_changed_is_not_sent_again(viewer, count, report):
    count(a=1)
    query = (
        OLD if report != "compare" else {"a": "/".join(OLD.values()), "b": "/".join(OLD.values())}
    )
    first = viewer.get(f"{ROOT}{report}/", query)
    assert first["Cache-Control"] == "private, max-age=60"
    again = viewer.get(f"{ROOT}{report}/", query, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_runs_is_asked_for_again(viewer, count):
    first = viewer.get(f"{ROOT}traffic/", {"period": "all"})
    assert first["Cache-Control"] == "private, no-cache"
    count(a=1)
    again = viewer.get(
        f"{ROOT}traffic/", {"period": "all"}, headers={"If-None-Match": first["ETag"]}
    )
    assert again.status_code == 200
    assert again.json()["totals"]["requests"] == 1


# --- what is asked ---


def test_several_periods_at_once(viewer, count):
    count(a=2)
    answer = viewer.get(f"{ROOT}traffic/", {"periods": "5m, 1h,all"}).json()
    assert [one["period"] for one in answer["periods"]] == ["5m", "1h", "all"]
    assert {one["totals"]["requests"] for one in answer["periods"]} == {2}
    assert {one["series"] for one in answer["periods"]} == {None}
    answer = viewer.get(f"{ROOT}traffic/", {"periods": "5m", "step": "auto"}).json()
    assert answer["periods"][0]["step"] == "10s"


def test_no_series_if_none_is_wanted(viewer):
    answer = viewer.get(f"{ROOT}traffic/", {"step": "none"}).json()
    assert (answer["step"], answer["series"]) == (None, None)


def test_no_percentiles_if_none_are_wanted(viewer, count):
    count(a=1)
    answer = viewer.get(f"{ROOT}traffic/", {"percentiles": "false"}).json()
    assert (answer["totals"]["requests"], answer["totals"]["latency_ms"]) == (1, None)


def test_times_are_told_in_the_zone_that_was_asked_for(viewer):
    query = {"from": "2026-01-01", "to": "2026-01-03", "tz": "Asia/Tokyo", "step": "1d"}
    answer = viewer.get(f"{ROOT}traffic/", query).json()
    assert (answer["timezone"], answer["since"]) == ("Asia/Tokyo", "2025-12-31T09:00:00+09:00")
    assert answer["notes"]


def test_a_route_is_known_by_its_number_or_its_prefix(viewer, count):
    pool = Pool.objects.create(name="shop")
    route = pool.routes.create(path_prefix="/api")
    count(a=1)
    for asked in (str(route.pk), "*/api"):
        answer = viewer.get(f"{ROOT}traffic/", {"route": asked})
        assert answer.status_code == 200
    [error] = viewer.get(f"{ROOT}traffic/", {"route": "99"}).json()["route"]
    assert f"{route.pk} (*/api)" in error


@pytest.mark.parametrize(
    ("report", "query", "name"),
    [
        ("traffic", {"period": "2h"}, "period"),
        ("traffic", {"periods": "5m,2h"}, "periods"),
        ("traffic", {"periods": "5m", "period": "1h"}, "periods"),
        ("traffic", {"from": "x"}, "from"),
        ("traffic", {"from": "2026-01-01", "to": "x"}, "to"),
        ("traffic", {"tz": "Mars"}, "tz"),
        ("traffic", {"step": "7m"}, "step"),
        ("traffic", {"pool": "x"}, "pool"),
        ("traffic", {"backend": "x"}, "backend"),
        ("traffic", {"route": "x"}, "route"),
        ("traffic", {"limit": "0"}, "limit"),
        ("traffic", {"offset": "-1"}, "offset"),
        ("traffic", {"top": "x"}, "top"),
        ("latency", {"kind": "x"}, "kind"),
        ("latency", {"format": "csv", "table": "x"}, "table"),
        ("latency", {"table": "x"}, "table"),
        ("compare", {"a": "1h"}, "b"),
        ("compare", {"revision": "x"}, "revision"),
        ("compare", {"period": "all"}, "period"),
    ],
)
def test_what_is_wrong_is_named(viewer, report, query, name):
    answer = viewer.get(f"{ROOT}{report}/", query)
    assert (answer.status_code, list(answer.json())) == (400, [name])
    assert answer.json()[name][0].endswith(".")


# --- description ---


@pytest.fixture(scope="module")
def schema(django_db_blocker):
    with django_db_blocker.unblock():
        return APIClient().get("/api/v1/schema/", {"format": "json"}).json()


def _check(value, described, schemas):
    """`value` is as `described`, and everything in it has a name there."""
    if value is None:
        assert described.get("nullable")
        return
    if "$ref" in described:
        described = schemas[described["$ref"].rpartition("/")[2]]
    for part in described.get("allOf", ()):
        _check(value, part, schemas)
    if described.get("type") == "array":
        for one in value:
            _check(one, described["items"], schemas)
    elif "properties" in described:
        assert set(value) == set(described["properties"])
        for name, one in value.items():
            _check(one, described["properties"][name], schemas)


@pytest.mark.parametrize("report", REPORTS)
def test_what_is_answered_is_what_is_described(viewer, count, schema, report):
    pool = Pool.objects.create(name="shop")
    Backend.objects.create(pool=pool, name="a", url="http://a:80")
    count(a=40, b=10)
    operation = schema["paths"][f"{ROOT}{report}/"]["get"]
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    schemas = schema["components"]["schemas"]
    if report == "traffic":
        described = {"$ref": "TrafficReport"}
    answer = viewer.get(f"{ROOT}{report}/").json()
    _check(answer, described, schemas)
    assert answer["backends"]


@pytest.mark.parametrize("report", REPORTS)
def test_formats_and_ranges_are_described(schema, report):
    operation = schema["paths"][f"{ROOT}{report}/"]["get"]
    assert {"from", "to", "tz", "table", "format"} <= {
        one["name"] for one in operation["parameters"]
    }
    assert {"application/json", "text/csv", "application/x-ndjson"} <= set(
        operation["responses"]["200"]["content"]
    )
