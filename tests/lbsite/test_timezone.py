"""The admin in the viewer's time zone, and what is not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from lbsite.timezone import COOKIE
from pool.choices import EventKind
from pool.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client, redis_client: Any) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    Event.objects.record(
        EventKind.EDGE_LEFT, "It left", at=datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    )
    return client


@pytest.mark.parametrize(
    ("zone", "at", "told"),
    [
        ("Asia/Kolkata", "2026-07-02 05:00:00", "Asia/Kolkata"),
        ("Europe/Berlin", "2026-07-02 01:30:00", "Europe/Berlin"),
        ("", "2026-07-01 23:30:00", "UTC"),
        ("Mars/Olympus", "2026-07-01 23:30:00", "UTC"),
        ("../../etc/passwd", "2026-07-01 23:30:00", "UTC"),
        ("x" * 300, "2026-07-01 23:30:00", "UTC"),
    ],
)
def test_pages_are_in_the_zone_that_the_browser_tells(
    boss: Client, zone: str, at: str, told: str
) -> None:
    boss.cookies[COOKIE] = zone
    page = boss.get("/admin/pool/event/").content.decode()
    assert at in page
    assert f"Times in {told}" in page


def test_what_is_typed_is_in_that_zone_too(boss: Client) -> None:
    boss.cookies[COOKIE] = "Asia/Kolkata"
    for hour, count in ((4, 1), (6, 0)):
        query = {"at_from_0": "2026-07-02", "at_from_1": f"{hour:02}:00:00"}
        found = boss.get("/admin/pool/event/", query).context["cl"].result_list
        assert len(found) == count


@pytest.mark.parametrize(
    ("zone", "end", "day", "hour", "count"),
    [
        ("Asia/Tokyo", "from", "0001-01-01", "00:00:00", 1),
        ("Asia/Tokyo", "to", "0001-01-01", "00:00:00", 0),
        ("America/New_York", "to", "9999-12-31", "23:59:00", 1),
        ("America/New_York", "from", "9999-12-31", "23:59:00", 0),
    ],
)
def test_a_time_beyond_those_of_utc_is_taken_for_the_nearest(
    boss: Client, zone: str, end: str, day: str, hour: str, count: int
) -> None:
    boss.cookies[COOKIE] = zone
    query = {f"at_{end}_0": day, f"at_{end}_1": hour}
    found = boss.get("/admin/pool/event/", query).context["cl"].result_list
    assert len(found) == count


def test_rest_stays_as_it_is(boss: Client) -> None:
    boss.cookies[COOKIE] = "Asia/Kolkata"
    (event,) = boss.get("/api/v1/events/").json()["results"]
    assert event["at"] == "2026-07-01T23:30:00Z"
