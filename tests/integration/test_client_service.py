"""A balancer in a program that takes its hosts from a running lbsite."""

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import requests
from django.contrib.auth.models import Permission, User
from pytest_django.live_server_helper import LiveServer
from redis import Redis
from rest_framework.authtoken.models import Token

from pool import bus
from pool.bus import HealthStatus
from pool.choices import AdminState, HealthState
from pool.models import Backend as Row
from pool.models import Pool
from proxy.client import LoadBalancer
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[..., LoadBalancer]
INTERVAL = 0.05


@pytest.fixture
def origins(backend: Callable[..., Backend]) -> list[Backend]:
    """Of the pool's two backends."""
    return [backend("a"), backend("b")]


@pytest.fixture
def rows(redis_client: Redis, origins: list[Backend]) -> list[Row]:
    pool = Pool.objects.create(name="shop", algorithm="weighted_round_robin")
    return [Row.objects.create(pool=pool, name=origin.name, url=origin.url) for origin in origins]


@pytest.fixture
def token(db: None) -> str:
    return str(Token.objects.create(user=User.objects.create_superuser("boss")).key)


@pytest.fixture
def start(live_server: LiveServer, rows: list[Row], token: str) -> Iterator[Start]:
    started: list[LoadBalancer] = []

    def start(**options: Any) -> LoadBalancer:
        options = {"pool": "shop", "token": token, "interval": INTERVAL} | options
        started.append(LoadBalancer.from_service(live_server.url, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def shares(lb: LoadBalancer, count: int = 6) -> dict[str, int]:
    answers = [lb.get("/").json()["backend"] for _ in range(count)]
    return {name: answers.count(name) for name in sorted(set(answers))}


def test_it_says_so_if_the_user_of_its_token_may_not_view_backends(start: Start) -> None:
    user = User.objects.create_user("half")
    user.user_permissions.set(Permission.objects.filter(codename="view_pool"))
    with pytest.raises(requests.HTTPError, match="may not view backends"):
        start(token=Token.objects.create(user=user).key)


def test_it_takes_backends_and_follows_weights_and_states(start: Start, rows: list[Row]) -> None:
    lb = start()
    assert shares(lb) == {"a": 3, "b": 3}
    rows[0].weight = 2
    rows[0].save()
    wait_until("the weight is followed", lambda: shares(lb) == {"a": 4, "b": 2})
    rows[0].admin_state = AdminState.DRAINING
    rows[0].save()
    wait_until("the draining is followed", lambda: shares(lb) == {"b": 6})
    assert lb.get_healthy_hosts() == [rows[1].url]
    assert lb.get_unhealthy_hosts() == []


def test_it_follows_backends_that_come_and_go(
    start: Start, rows: list[Row], backend: Callable[..., Backend]
) -> None:
    lb = start()
    Row.objects.create(pool=rows[0].pool, name="c", url=backend("c").url)
    wait_until("c is used", lambda: "c" in shares(lb))
    rows[0].delete()
    wait_until("a is not", lambda: "a" not in shares(lb))


def test_it_follows_what_the_probes_say(start: Start, rows: list[Row], redis_client: Redis) -> None:
    lb = start()
    status = HealthStatus(state=HealthState.UNHEALTHY, since=time.time())
    redis_client.hset(bus.HEALTH_KEY, str(rows[0].pk), msgspec.json.encode(status))
    wait_until("a is out", lambda: lb.get_unhealthy_hosts() == [rows[0].url])
    assert shares(lb) == {"b": 6}
    redis_client.hdel(bus.HEALTH_KEY, str(rows[0].pk))
    status = HealthStatus(state=HealthState.HEALTHY, since=time.time())
    redis_client.hset(bus.HEALTH_KEY, str(rows[0].pk), msgspec.json.encode(status))
    wait_until("a is back", lambda: shares(lb) == {"a": 3, "b": 3})


def test_what_the_program_has_found_itself_survives_a_change(
    start: Start, rows: list[Row], origins: list[Backend]
) -> None:
    lb = start()
    origins[0].stop()
    assert shares(lb) == {"b": 6}
    rows[1].weight = 5
    rows[1].save()
    wait_until("it is followed", lambda: lb.stats()[rows[1].url]["weight"] == 5)
    assert lb.get_unhealthy_hosts() == [rows[0].url]


def test_without_the_service_the_last_answer_holds(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    lb = start()
    service = lb._service
    assert service is not None
    with caplog.at_level(logging.WARNING, "lbsite.client"):
        service._url = "http://127.0.0.1:9/api/v1/pools/shop/"
        wait_until("it is told", lambda: "the last answer holds" in caplog.text)
    assert shares(lb) == {"a": 3, "b": 3}
    assert token not in caplog.text
    assert caplog.text.count("the last answer holds") == 1


ANSWERS: dict[str, Callable[[Call], None]] = {
    "is refused": lambda call: call.answer(b"no", status="401 Unauthorized"),
    "is a page": lambda call: call.answer(b"<html>"),
    "is something else": lambda call: call.answer(b'{"backends": 5}'),
    "is cut": lambda call: call.answer(b'{"algorithm": "round_robin", "backends": ['),
    "leads elsewhere": lambda call: call.answer(
        status="302 Found", fields="Location: http://127.0.0.1:9/\r\n"
    ),
    "names an algorithm that is not here": lambda call: call.answer(
        b'{"algorithm": "newest", "backends": [], "traffic": null}'
    ),
    "names a host that is none": lambda call: call.answer(
        b'{"algorithm": "random", "traffic": null, "backends": [{"id": 1, "name": "a", "url": "",'
        b'"weight": 1, "tier": 0, "max_connections": 0, "admin_state": "active", "backup_of": null,'
        b'"health": {"state": "healthy"}, "circuit": null}]}'
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_is_none_changes_nothing_until_there_is_one_again(
    start: Start,
    rows: list[Row],
    caplog: pytest.LogCaptureFixture,
    backend: Callable[..., Backend],
    answer: str,
) -> None:
    lb = start()
    service = lb._service
    assert service is not None
    url, broken = service._url, backend("broken", script=ANSWERS[answer])
    with caplog.at_level(logging.WARNING, "lbsite.client"):
        service._url = broken.url
        wait_until("it has asked twice", lambda: len(broken.calls) > 1)
    assert shares(lb) == {"a": 3, "b": 3}
    rows[0].weight = 2
    rows[0].save()
    service._url = url
    wait_until("it follows again", lambda: shares(lb) == {"a": 4, "b": 2})
    assert caplog.text.count("the last answer holds") == 1


def test_without_changes_nothing_is_sent_again(
    live_server: LiveServer, rows: list[Row], token: str
) -> None:
    url, headers = f"{live_server.url}/api/v1/pools/shop/", {"Authorization": f"Token {token}"}
    tag = requests.get(url, headers=headers, timeout=20).headers["ETag"]
    again = requests.get(url, headers=headers | {"If-None-Match": tag}, timeout=20)
    assert (again.status_code, again.content) == (304, b"")
    rows[0].weight = 7
    rows[0].save()
    again = requests.get(url, headers=headers | {"If-None-Match": tag}, timeout=20)
    assert again.status_code == 200


def test_the_token_is_shown_nowhere(start: Start, token: str) -> None:
    lb = start()
    assert token not in repr(lb) + repr(lb._service) + repr(vars(lb._service))


@pytest.mark.parametrize("options", [{"token": "wrong"}, {"pool": "other"}])
def test_a_pool_that_may_not_be_seen_is_an_error_at_once(
    start: Start, options: dict[str, str]
) -> None:
    with pytest.raises(requests.HTTPError):
        start(**options)


def test_closing_it_ends_the_following(start: Start, rows: list[Row]) -> None:
    lb = start()
    lb.close()
    assert lb._service is not None
    thread = lb._service._thread
    thread.join(20)
    assert not thread.is_alive()


def test_a_balancer_that_nobody_has_any_more_follows_nothing(
    live_server: LiveServer, rows: list[Row], token: str
) -> None:
    def following() -> int:
        return sum(thread.name == "lbsite-service" for thread in threading.enumerate())

    before = following()
    lb = LoadBalancer.from_service(live_server.url, "shop", token=token, interval=INTERVAL)
    assert following() == before + 1
    del lb
    gc.collect()
    wait_until("its thread has ended", lambda: following() == before)
