"""What happens to one pool at a time is one message, and nothing overtakes anything."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from pool.alerts import channels, queue
from pool.alerts.delivery import deliver
from pool.choices import EventKind, Severity
from pool.models import AlertChannel, AlertDelivery, Backend, Event, Pool
from tests.pool.alerts.conftest import T0

GATHER = 30


@pytest.fixture
def rack(web):
    """Fifty backends of one pool."""
    return [Backend.objects.create(pool=web, name=f"r{n}", url=f"http://r{n}") for n in range(50)]


@pytest.fixture
def sent(webhook, receiver):
    """What has been sent until so many seconds after T0, in the order of its arrival."""

    def until(seconds: float) -> list[tuple[str, int]]:
        later = T0 + timedelta(seconds=seconds)
        AlertChannel.objects.update(retry_at=T0)
        while heads := queue.claim(later, 1):
            queue.settle(heads[0], channels.send(heads[0]), T0)
        return [(one["status"], len(one.get("alerts", [one]))) for one in receiver.messages]

    return until


def test_a_rack_that_goes_down_at_once_is_one_message(rule, rack, health, at, webhook, receiver):
    for backend in rack:
        health(backend, "unhealthy", reason="connection refused")
    at(1)
    deliver()
    (message,) = receiver.messages
    assert message["title"] == "Backend web/r0 is unhealthy, and 49 more in pool web"
    assert (message["pool"], message["backend"], message["count"]) == ("web", None, 50)
    assert [one["backend"] for one in message["alerts"]] == [one.name for one in rack]
    lines = message["text"].splitlines()
    assert lines[0] == "- Backend web/r0 is unhealthy: connection refused"
    assert lines[20] == "- and 30 more"
    assert set(AlertDelivery.objects.values_list("state", "bundle")) == {
        ("delivered", AlertDelivery.objects.earliest("id").key)
    }


def test_the_first_is_told_at_once_and_what_follows_together(rule, rack, health, at, sent):
    for second, backend in enumerate(rack[:20]):
        health(backend, "unhealthy", second)
        at(second)
    assert sent(20) == [("firing", 1)]
    assert sent(GATHER - 1) == [("firing", 1)]
    assert sent(GATHER) == [("firing", 1), ("firing", 19)]


def test_the_end_of_an_alert_does_not_overtake_it(rule, rack, health, at, sent):
    rule.quiet_for = 0
    rule.save()
    for backend in rack[:3]:
        health(backend, "unhealthy")
    at(1)
    health(rack[1], "healthy", 5)
    at(5)
    health(rack[3], "unhealthy", 6)
    at(6)
    assert sent(60) == [("firing", 3), ("resolved", 1), ("firing", 1)]


def test_pools_and_kinds_of_events_are_told_apart(rule, one, rack, health, at, sent):
    elsewhere = Pool.objects.create(name="elsewhere")
    other = Backend.objects.create(pool=elsewhere, name="a", url="http://a")
    for backend in (rack[0], other):
        health(backend, "unhealthy")
    Event.objects.record(
        EventKind.CIRCUIT_OPENED, "open", severity=Severity.WARNING, backend=rack[1], at=T0
    )
    at(1)
    assert sent(1) == [("firing", 1)] * 3


def test_each_is_told_by_itself_if_nothing_is_to_be_gathered(rule, rack, health, at, sent):
    rule.gather_for = 0
    rule.save()
    for backend in rack[:3]:
        health(backend, "unhealthy")
    at(1)
    assert sent(1) == [("firing", 1)] * 3


def test_a_try_again_says_the_same_under_the_same_key(rule, rack, health, at, webhook, receiver):
    receiver.answer(500)
    receiver.answer(200)
    for backend in rack[:2]:
        health(backend, "unhealthy")
    at(1)
    deliver()
    health(rack[2], "unhealthy", 100)
    at(100)
    AlertChannel.objects.update(retry_at=timezone.now())
    deliver()
    first, again, third = receiver.requests
    assert first[2] == again[2]
    assert first[1]["webhook-id"] == again[1]["webhook-id"] != third[1]["webhook-id"]
    assert set(AlertDelivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_a_channel_that_was_away_gets_what_waited_together(rule, rack, health, at, sent):
    for second, backend in enumerate(rack):
        health(backend, "unhealthy", 40 * second)
        at(40 * second)
    assert sent(3000) == [("firing", 50)]


def test_an_email_names_them_all_in_one(rule, rack, health, at, settings):
    settings.LB_PUBLIC_URL = "https://lb.example.com"
    rule.channels.set(
        [AlertChannel.objects.create(name="mail", kind="email", recipients="ops@example.com")]
    )
    for backend in rack[:3]:
        health(backend, "unhealthy")
    at(1)
    deliver()
    (message,) = mail.outbox
    assert "r0 is unhealthy, and 2 more in pool web" in message.subject
    assert "- Backend web/r2 is unhealthy: timed out" in message.body
    assert f"/admin/pool/pool/{rack[0].pool_id}/change/" in message.body


@pytest.mark.parametrize(
    ("begins", "ends", "titles"),
    [
        (
            EventKind.EJECTED,
            EventKind.UNEJECTED,
            [
                "Backend web/one is ejected as an outlier",
                "Backend web/one is back from its ejection",
            ],
        ),
        (
            EventKind.EDGE_LAGS,
            EventKind.EDGE_CAUGHT_UP,
            ["Edge a, pid 7, does not run what is saved", "Edge a, pid 7, lags no more"],
        ),
    ],
)
def test_what_an_event_begins_another_ends(rule, one, at, begins, ends, titles):
    rule.kinds = [begins.value]
    rule.save()
    of_edge = {"worker_id": "w1", "host": "a", "pid": 7}
    for kind, second in ((begins, 0), (ends, 30)):
        Event.objects.record(
            kind,
            "told",
            severity=Severity.WARNING if kind == begins else Severity.INFO,
            backend=one if begins == EventKind.EJECTED else None,
            data=of_edge if begins == EventKind.EDGE_LAGS else {"cause": "5 failures in a row"},
            at=T0 + timedelta(seconds=second),
        )
    at(200)
    told = AlertDelivery.objects.order_by("id").values_list("message__title", flat=True)
    assert list(told) == titles
