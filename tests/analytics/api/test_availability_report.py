"""GET /api/v1/reports/availability/"""

import pytest
from rest_framework.test import APIClient

from pool.models import Backend, Pool

pytestmark = pytest.mark.django_db

URL = "/api/v1/reports/availability/"


@pytest.fixture
def shop():
    pool = Pool.objects.create(name="shop")
    for name in ("a", "b"):
        Backend.objects.create(pool=pool, name=name, url=f"http://{name}:1")


def test_the_shape_of_the_answer(viewer, shop):
    answer = viewer.get(URL, {"pool": "shop", "period": "24h"}).json()
    assert (answer["target"], answer["period"], answer["backend_count"]) == (99.9, "24h", 2)
    assert [row["backend"] for row in answer["backends"]] == ["a", "b"]
    assert answer["backends"][0]["uptime"] is None
    budget = {"met", "allowed", "used", "left", "left_percent", "burn_rate"}
    assert set(answer["pools"][0]["time_budget"]) == budget
    assert [strip["backend"] for strip in answer["strips"]] == ["", "a", "b"]


@pytest.mark.parametrize("target", ["0", "100", "-1", "nan", "inf", "many"])
def test_a_target_that_is_none(viewer, target):
    answer = viewer.get(URL, {"target": target})
    assert (answer.status_code, list(answer.json())) == (400, ["target"])


@pytest.mark.parametrize(
    ("asked", "name"),
    [({"pool": "none"}, "pool"), ({"period": "2h"}, "period"), ({"from": "then"}, "from")],
)
def test_what_cannot_be_reported_is_named(viewer, shop, asked, name):
    answer = viewer.get(URL, asked)
    assert (answer.status_code, list(answer.json())) == (400, [name])


def test_as_csv(viewer, shop):
    answer = viewer.get(URL, {"format": "csv"})
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert lines[0].startswith("pool,backend,uptime,downtime,")
    assert "time_budget.burn_rate" in lines[0]
    assert len(lines) == 3


def test_who_may_not_view_traffic_may_not_ask(shop):
    assert APIClient().get(URL).status_code == 401
