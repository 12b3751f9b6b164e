"""Viewers and operators: all that is offered to them works, and what would not is not offered."""

import importlib
import re
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import msgspec
import pytest
import redis
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from analytics.requests.models import RequestRecord
from pool.alerts.evaluate import evaluate
from pool.bus import EDGES_KEY
from pool.choices import EventKind, Severity
from pool.models import AlertChannel, AlertRule, Backend, Event, Pool, Route
from pool.publish import publish
from tests.edge_reports import edge_report

_LINK = re.compile(r'\s(?:href|hx-get|hx-post|action|formaction)="([^"]*)"')
_LOGOUT = reverse("admin:logout")  # answers a POST only
_roles = importlib.import_module("lbsite.migrations.0001_roles")

LISTS = (
    *("pools", "pools/web/backends", "routes", "events", "health", "revisions", "edges"),
    *("alerts", "alert-rules", "alert-channels", "alert-deliveries"),
    *("reports/traffic", "reports/latency", "reports/errors", "reports/distribution"),
    *("reports/availability", "reports/compare", "reports/requests"),
)


def make_roles() -> None:
    _roles.make_roles(apps, connection.schema_editor())


def rights(name: str) -> set[str]:
    held = Group.objects.get(name=name).permissions
    return {
        f"{app}.{codename}"
        for app, codename in held.values_list("content_type__app_label", "codename")
    }


def member(group: str) -> User:
    user = User.objects.create_user(
        group.lower(), is_staff=True, password="one that nobody guesses"
    )
    user.groups.add(Group.objects.get(name=group))
    return user


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def everything(db: None, redis_client: redis.Redis) -> Backend:
    """Something of each kind, so that each link there can be is on a page."""
    pool = Pool.objects.create(name="web")
    backend = Backend.objects.create(pool=pool, name="one", url="http://127.0.0.1:9001")
    route = Route.objects.create(pool=pool)
    backend.health_records.create(result="fail", state="unhealthy", reason="refused")
    channel = AlertChannel.objects.create(name="pager", kind="email", recipients="a@b.test")
    AlertRule.objects.create(name="down").channels.add(channel)
    event = Event.objects.record(
        EventKind.HEALTH_CHANGED,
        "one is down",
        severity=Severity.WARNING,
        backend=backend,
        data={"to": "unhealthy", "reason": "refused"},
    )
    evaluate(event.at)
    first = publish()
    Backend.objects.create(pool=pool, name="two", url="http://127.0.0.1:9002", tier=1)
    publish()
    report = edge_report(timezone.now().timestamp(), snapshot_hash=first.content_hash)
    redis_client.hset(EDGES_KEY, "w1", msgspec.json.encode(report))
    RequestRecord.objects.create(
        key=1,
        at=timezone.now(),
        request_id="abc",
        notable=True,
        client="192.0.2.7",
        method="GET",
        host="shop.test",
        path="/",
        route_id=route.pk,
        pool_id=pool.pk,
        pool="web",
        backend_id=backend.pk,
        backend="one",
        status=502,
        cause="connect_failed",
        attempts=1,
        bytes_in=0,
        bytes_out=0,
        snapshot=first.number,
        total=15_000,
    )
    return backend


def offered(client: Client, start: str) -> dict[str, int]:
    """Status by address, of all that is linked from `start` on.

    Of addresses that differ in the values of their query only, one.
    """
    found: dict[str, int] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [start]
    while waiting:
        address = waiting.pop()
        parts = urlsplit(address)
        if (key := (parts.path, frozenset(parse_qs(parts.query)))) in seen:
            continue
        seen.add(key)
        answer = client.get(address, follow=True)
        found[address] = answer.status_code
        if "html" in answer.get("Content-Type", ""):
            links = (unescape(link) for link in _LINK.findall(answer.content.decode()))
            here = answer.request["PATH_INFO"]
            absolute = (urljoin(here, link.partition("#")[0]) for link in links)
            waiting += [
                link for link in absolute if re.match("/(admin|api)/", link) and link != _LOGOUT
            ]
    return found


def test_viewers_and_operators_are_there_from_the_beginning(db: None) -> None:
    assert {right.partition(".")[2].partition("_")[0] for right in rights("Viewers")} == {"view"}
    assert rights("Operators") > rights("Viewers")
    assert {right.partition(".")[0] for right in rights("Operators")} == {"pool", "analytics"}
    assert {"pool.change_pool", "pool.delete_route", "pool.rollback_revision"} < rights("Operators")


def test_what_was_made_of_a_group_stays(db: None) -> None:
    viewers = Group.objects.get(name="Viewers")
    viewers.permissions.clear()
    make_roles()
    assert rights("Viewers") == set()


@pytest.mark.parametrize("group", ["Viewers", "Operators"])
def test_every_way_that_is_offered_leads_somewhere(everything: Backend, group: str) -> None:
    found = offered(browser(member(group)), reverse("admin:index"))
    assert len(found) > 50
    assert {address: status for address, status in found.items() if status != 200} == {}


@pytest.mark.parametrize("group", ["Viewers", "Operators"])
def test_the_whole_menu_but_access_is_theirs(everything: Backend, group: str) -> None:
    page = browser(member(group)).get(reverse("admin:index"))
    menu = page.context["sidebar_navigation"]
    assert [
        part.get("title") for part in menu if any(item["has_permission"] for item in part["items"])
    ] == [
        None,
        "Load balancing",
        "What happened",
        "Alerts",
        "Running",
    ]


@pytest.mark.parametrize("group", ["Viewers", "Operators"])
@pytest.mark.parametrize("name", LISTS)
def test_each_list_and_report_is_read_over_rest(everything: Backend, group: str, name: str) -> None:
    client = APIClient()
    client.force_login(member(group))
    query = {"period": "1h"} if name == "reports/compare" else {}
    assert client.get(f"/api/v1/{name}/", query).status_code == 200


def test_viewers_change_nothing_in_the_admin(everything: Backend) -> None:
    client = browser(member("Viewers"))
    ways = offered(client, reverse("admin:index"))
    verbs = r"/(add|delete|drain|enable|maintain|rollback|duplicate|fail_\w+|\w+_circuit|test)/"
    assert [address for address in ways if re.search(verbs, address)] == []
    for name in ("pool", "backend", "route", "alertrule", "alertchannel"):
        page = client.get(reverse(f"admin:pool_{name}_change", args=[1]))
        assert 'name="_save"' not in page.content.decode(), name


_CHANGES = (
    ("patch", "pools/web/", {"algorithm": "random"}, 200),
    ("post", "pools/web/failover/", {"tier": 1}, 200),
    ("post", "pools/web/failback/", {}, 400),  # there was no failover
    ("post", "pools/web/backends/", {"url": "http://127.0.0.1:9003"}, 201),
    ("post", "pools/web/backends/one/drain/", {}, 200),
    ("post", "pools/web/backends/one/maintain/", {}, 200),
    ("post", "pools/web/backends/one/enable/", {}, 200),
    ("post", "pools/web/backends/one/circuit/", {"action": "reset"}, 200),
    ("delete", "pools/web/backends/two/", {}, 204),
    ("post", "routes/", {"host": "shop.test", "pool": "web"}, 201),
    ("get", "revisions/1/rollback/", {}, 200),
    ("post", "revisions/1/rollback/", {}, 200),
    ("post", "alert-rules/", {"name": "up", "channels": ["pager"]}, 403),
    ("patch", "alert-channels/pager/", {"recipients": "c@d.test"}, 403),
    ("post", "alert-channels/pager/test/", {}, 403),
)


@pytest.mark.parametrize(("method", "path", "data", "status"), _CHANGES)
def test_operators_change_the_configuration_over_rest_and_nothing_else(
    everything: Backend, method: str, path: str, data: dict[str, object], status: int
) -> None:
    client = APIClient()
    client.force_login(member("Operators"))
    answer = getattr(client, method)(f"/api/v1/{path}", data, format="json")
    assert answer.status_code == status, answer.content
    if method != "get":
        client.force_login(member("Viewers"))
        assert getattr(client, method)(f"/api/v1/{path}", data, format="json").status_code == 403
