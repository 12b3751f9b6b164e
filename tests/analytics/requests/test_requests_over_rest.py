"""GET /api/v1/reports/requests/"""

import csv
import io
import json
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from rest_framework.test import APIClient

from pool.models import Backend, Pool

pytestmark = pytest.mark.django_db

URL = "/api/v1/reports/requests/"


@pytest.fixture
def viewer():
    user = User.objects.create_user("viewer")
    user.user_permissions.add(Permission.objects.get(codename="view_requestrecord"))
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def ids(viewer):
    """The request ids in the answer, in its order."""

    def ids(**asked):
        answer = viewer.get(URL, asked)
        assert answer.status_code == 200, answer.json()
        return [row["request_id"] for row in answer.json()["results"]]

    return ids


def test_what_is_told_of_a_request(viewer, keep, failure):
    keep(failure(at=1_700_000_000_123, request_id="abc", queue=1500))
    (row,) = viewer.get(URL, {"tz": "Europe/Berlin"}).json()["results"]
    assert row == {
        "at": "2023-11-14T23:13:20.123000+01:00",
        "request_id": "abc",
        "client": "192.0.2.7",
        "method": "GET",
        "host": "shop.test",
        "path": "/cart",
        "route": 3,
        "pool": "shop",
        "backend": "a",
        "status": 502,
        "cause": "connect_failed",
        "notable": True,
        "attempts": 1,
        "queue_ms": 1.5,
        "retries_ms": 0.0,
        "connect_ms": 2.0,
        "first_byte_ms": None,
        "total_ms": 15.0,
        "bytes_in": 39,
        "bytes_out": 121,
        "snapshot": 1,
    }
    assert viewer.get(f"{URL}abc/", {"tz": "Europe/Berlin"}).json() == row


def test_an_id_with_a_slash_finds_its_request_and_the_newest_of_several(viewer, keep, note):
    keep(note(request_id="a/b", at=1000, status=201), note(request_id="a/b", status=202))
    assert viewer.get(f"{URL}a/b/").json()["status"] == 202
    missing = viewer.get(f"{URL}nowhere/")
    assert missing.status_code == 404
    assert "No request nowhere is kept" in missing.json()["detail"]


def test_the_newest_come_first_page_by_page(viewer, keep, note):
    now = int(timezone.now().timestamp() * 1000)
    keep(*(note(at=now - number, request_id=str(number)) for number in range(5)))
    found, url = [], f"{URL}?limit=2"
    while url:
        page = viewer.get(url).json()
        found += [row["request_id"] for row in page["results"]]
        url = page["next"]
    assert found == ["0", "1", "2", "3", "4"]


@pytest.fixture
def several(keep, note, failure):
    pool = Pool.objects.create(name="shop")
    Pool.objects.create(name="blog")
    for name in "ab":
        Backend.objects.create(pool=pool, name=name, url=f"http://10.0.0.1/{name}"[:15])
    now = int(timezone.now().timestamp() * 1000)
    keep(
        note(at=now - 1, request_id="plain", total=15_000),
        note(at=now - 2, request_id="slow", total=900_000, method="POST", path="/Cart/add"),
        failure(at=now - 3, request_id="failed", backend="b", client="192.0.2.8", status=503),
        failure(at=now - 4, request_id="lost", status=404, cause="no_route", pool="", host="x"),
        note(at=now - 7_200_000, request_id="old", pool="blog", status=201),
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["plain", "slow", "failed", "lost", "old"]),
        ({"pool": "blog"}, ["old"]),
        ({"backend": "b"}, ["failed"]),
        ({"status": "503"}, ["failed"]),
        ({"status": "2xx"}, ["plain", "slow", "old"]),
        ({"status": "4XX"}, ["lost"]),
        ({"method": "post"}, ["slow"]),
        ({"host": "X"}, ["lost"]),
        ({"path": "/Cart"}, ["slow"]),
        ({"path": "/cart"}, ["plain", "failed", "lost", "old"]),
        ({"client": "192.0.2.8"}, ["failed"]),
        ({"cause": "no_route"}, ["lost"]),
        ({"request_id": "slow"}, ["slow"]),
        ({"notable": "true"}, ["failed", "lost"]),
        ({"notable": "false", "status": "200"}, ["plain", "slow"]),
        ({"min_ms": "15.1"}, ["slow"]),
        ({"min_ms": "15", "path": "/cart", "status": "2xx"}, ["plain", "old"]),
    ],
)
def test_filters(several, ids, asked, found):
    assert ids(**asked) == found


def test_from_and_to_are_exact(several, ids):
    hour_ago = timezone.now() - timedelta(hours=1)
    assert ids(to=hour_ago.isoformat()) == ["old"]
    assert ids(**{"from": str(hour_ago.timestamp())}) == ["plain", "slow", "failed", "lost"]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("status", "6xx", "“6xx” is not a status; give one such as 503, or a class such as 5xx."),
        ("cause", "bad_luck", "choose one of these: complete, failed, bad_request"),
        ("pool", "nowhere", "There is no pool “nowhere”; there are: blog, shop."),
        ("route", "99", "There is no route “99”"),
        ("from", "yesterday", "“yesterday” is not a time; give ISO 8601"),
        ("tz", "Mars", "“Mars” is not a time zone"),
        ("min_ms", "fast", "A valid number is required."),
        ("format", "xml", "“xml” is not a format of this; give one of json, api, csv, ndjson."),
    ],
)
def test_what_makes_no_sense_is_named(several, viewer, name, value, problem):
    answer = viewer.get(URL, {name: value})
    assert answer.status_code == 400
    (text,) = answer.json()[name]
    assert problem in text


def test_as_csv_and_ndjson_all_that_is_found_comes_in_one_piece(viewer, keep, note):
    keep(*(note(request_id=str(number), path="=cmd()") for number in range(150)))
    answer = viewer.get(URL, {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert (len(rows), rows[0]["path"], rows[0]["connect_ms"]) == (150, "'=cmd()", "2.0")
    answer = viewer.get(URL, {"format": "ndjson", "request_id": "7"})
    (line,) = answer.getvalue().splitlines()
    assert (json.loads(line)["request_id"], json.loads(line)["path"]) == ("7", "=cmd()")
    assert datetime.fromisoformat(json.loads(line)["at"]).tzinfo


def test_who_may_not_see_requests_does_not(db):
    client = APIClient()
    assert client.get(URL).status_code == 401
    client.force_authenticate(User.objects.create_user("nobody"))
    assert client.get(URL).status_code == 403
    assert client.get(f"{URL}abc/").status_code == 403
