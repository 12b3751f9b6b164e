"""When an alert is told: after it has lasted, once however often it flaps, and at its end."""

from datetime import timedelta

import pytest

from pool.alerts.evaluate import close_orphans
from pool.choices import EventKind, Severity
from pool.models import Alert, AlertDelivery, Event, Pool
from tests.pool.alerts.conftest import T0


def told() -> list[tuple[str, int]]:
    """What was told, in order: of which kind, and the count at that time."""
    rows = AlertDelivery.objects.order_by("id")
    return [(row.kind, row.message["count"]) for row in rows]


def test_a_condition_is_told_at_once_and_its_end_after_the_quiet_period(rule, one, health, at):
    health(one, "unhealthy")
    at(1)
    assert told() == [("firing", 1)]
    health(one, "healthy", 10)
    at(69)
    assert told() == [("firing", 1)]
    at(70)
    assert told() == [("firing", 1), ("resolved", 1)]
    assert Alert.objects.get().state == "closed"


def test_a_flapping_backend_is_one_alert_with_a_count(rule, one, health, at):
    for second in range(0, 100, 10):
        health(one, "unhealthy", second)
        health(one, "healthy", second + 5)
        at(second + 6)
    assert told() == [("firing", 1)]
    at(155)
    assert told() == [("firing", 1), ("resolved", 10)]
    message = AlertDelivery.objects.first().message
    assert message["since"] == T0.isoformat()
    assert message["last_at"] == (T0 + timedelta(seconds=90)).isoformat()
    assert message["ended_at"] == (T0 + timedelta(seconds=95)).isoformat()


def test_one_that_comes_back_after_the_quiet_period_is_another_alert(rule, one, health, at):
    for second in (0, 100):
        health(one, "unhealthy", second)
        health(one, "healthy", second + 10)
        at(second + 80)
    assert told() == [("firing", 1), ("resolved", 1)] * 2
    assert Alert.objects.count() == 2


@pytest.mark.parametrize("late", [False, True])
def test_one_that_does_not_last_is_told_to_nobody_and_forgotten(rule, one, health, at, late):
    rule.hold_for = 30
    rule.save()
    health(one, "unhealthy")
    if not late:
        at(10)
    health(one, "healthy", 29)
    at(300)
    assert told() == []
    assert not Alert.objects.exists()


def test_one_that_lasts_is_told_when_it_has_lasted(rule, one, health, at):
    rule.hold_for = 30
    rule.save()
    health(one, "unhealthy")
    at(29)
    assert told() == []
    at(30)
    assert told() == [("firing", 1)]


def test_what_was_missed_while_nothing_ran_is_told_as_if_it_had(rule, one, health, at):
    rule.hold_for = 30
    rule.save()
    health(one, "unhealthy", 0)
    health(one, "healthy", 31)
    health(one, "unhealthy", 200)
    health(one, "healthy", 210)
    at(1000)
    assert told() == [("firing", 1), ("resolved", 1)]


def test_the_quiet_period_can_be_none(rule, one, health, at):
    rule.quiet_for = 0
    rule.save()
    health(one, "unhealthy")
    health(one, "healthy", 5)
    at(6)
    assert told() == [("firing", 1), ("resolved", 1)]


def test_what_has_no_end_is_told_once_and_then_how_often_it_happened(rule, db, at):
    for second in range(5):
        Event.objects.record(
            EventKind.EDGE_LEFT,
            f"Edge web1, pid {second}, left",
            severity=Severity.WARNING,
            data={"host": "web1", "pid": second},
            at=T0 + timedelta(seconds=second),
        )
    at(10)
    assert told() == [("notice", 1)]
    at(60)
    assert told() == [("notice", 1), ("repeated", 5)]


def test_the_end_of_nothing_is_a_notice_to_who_wants_it(rule, one, health, at):
    rule.minimum_severity = "info"
    rule.save()
    health(one, "healthy")
    health(one, "unhealthy", 1)
    at(2)
    assert told() == [("notice", 1), ("firing", 1)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"enabled": False}, 0),
        ({"kinds": ["failover"]}, 0),
        ({"minimum_severity": "error"}, 0),
    ],
)
def test_a_rule_says_what_is_told(rule, one, health, at, changes, expected):
    for name, value in changes.items():
        setattr(rule, name, value)
    rule.save()
    health(one, "unhealthy")
    at(1)
    assert len(told()) == expected


def test_a_rule_may_be_of_some_pools_only(rule, one, health, at):
    rule.pools.add(Pool.objects.create(name="other"))
    health(one, "unhealthy")
    at(1)
    assert told() == []
    rule.pools.add(one.pool)
    health(one, "unhealthy", 2)
    at(3)
    assert told() == [("firing", 1)]


@pytest.mark.parametrize("what", ["backend", "rule"])
def test_an_alert_ends_with_what_it_is_about(rule, one, health, at, what):
    health(one, "unhealthy")
    at(1)
    if what == "backend":
        one.delete()
    else:
        rule.enabled = False
        rule.save()
    close_orphans(T0 + timedelta(seconds=10))
    at(100)
    assert told() == [("firing", 1), ("resolved", 1)][: 2 if what == "backend" else 1]
    assert Alert.objects.get().state == "closed"
    if what == "backend":
        assert AlertDelivery.objects.first().message["title"] == "web/one was deleted"


def test_traffic_that_is_still_held_from_a_tier_is_not_back(rule, web, at):
    def move(kind: EventKind, second: int, to: int, floor: int) -> None:
        Event.objects.record(
            kind,
            "moved",
            severity=Severity.WARNING,
            pool=web,
            data={"to": [to], "floor": floor, "cause": "tier 0: 0 of 2 backends well"},
            at=T0 + timedelta(seconds=second),
        )

    move(EventKind.FAILOVER, 0, 2, 2)
    move(EventKind.FAILBACK, 10, 1, 1)
    at(100)
    assert [kind for kind, _ in told()] == ["firing"]
    move(EventKind.FAILBACK, 110, 0, 0)
    at(200)
    assert [kind for kind, _ in told()] == ["firing", "resolved"]
