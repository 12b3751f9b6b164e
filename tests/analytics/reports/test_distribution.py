"""Shares beside those that were planned, and why they differ."""

from datetime import timedelta

import pytest

from analytics import store
from analytics.reports import Scope, Selection
from analytics.reports.distribution import distribution_report
from pool.choices import EventKind
from pool.models import Backend, Event, Pool, Revision
from pool.snapshot import BackendSpec, PoolSpec, build, encode
from tests.analytics.reports.conftest import NOW

pytestmark = pytest.mark.django_db


def ago(**length):
    return NOW - timedelta(**length)


@pytest.fixture
def shop():
    return Pool.objects.create(name="shop")


@pytest.fixture
def make_backend(shop):
    def make(name, **fields):
        return Backend.objects.create(pool=shop, name=name, url=f"http://{name}:80", **fields)

    return make


@pytest.fixture
def count(batch, row):
    """So many requests of each backend, evenly over the times."""

    def count(times, **requests):
        for at in times:
            rows = [
                row((1000,) * number, backend_id=index, backend=name)
                for index, (name, number) in enumerate(requests.items(), 1)
                if number
            ]
            store.add([batch(*rows, at=int(at.timestamp()))], NOW)

    return count


@pytest.fixture
def lately():
    return [ago(minutes=minute) for minute in range(1, 60)]


def tell(backend, kind, at, **data):
    return Event.objects.record(kind, "", backend=backend, at=at, data=data)


def shares(clock, scope=Scope(), period="1h"):  # noqa: B008 - immutable
    report = distribution_report(clock.last(period), scope)
    return {one.backend: one for one in report.backends}


def codes(share):
    return [reason.code for reason in share.reasons]


def test_weights_are_the_plan(make_backend, count, lately, clock):
    make_backend("a", weight=3)
    make_backend("b", weight=1)
    count(lately, a=30, b=10)
    found = shares(clock)
    assert (found["a"].planned, found["b"].planned) == (0.75, 0.25)
    assert (found["a"].share, found["b"].share) == (0.75, 0.25)
    assert {one.verdict for one in found.values()} == {"as planned"}


def test_round_robin_goes_by_no_weights(shop, make_backend, count, lately, clock):
    Pool.objects.filter(pk=shop.pk).update(algorithm="round_robin")
    make_backend("a", weight=3)
    make_backend("b", weight=1)
    count(lately, a=10, b=10)
    assert [one.planned for one in shares(clock).values()] == [0.5, 0.5]


def test_backups_stand_ins_and_weight_0_are_planned_nothing(make_backend, count, lately, clock):
    first = make_backend("a")
    make_backend("backup", tier=1)
    make_backend("stand-in", backup_of=first)
    make_backend("none", weight=0)
    count(lately, a=10)
    found = shares(clock)
    assert {name: one.planned for name, one in found.items()} == {
        "a": 1,
        "backup": 0,
        "none": 0,
        "stand-in": 0,
    }
    assert found["backup"].verdict == "as planned"


def test_few_requests_tell_nothing(make_backend, count, clock):
    make_backend("a")
    make_backend("b")
    count([ago(minutes=3)], a=3, b=1)
    assert {one.verdict for one in shares(clock).values()} == {"too few requests to tell"}


def test_without_requests_there_are_too_few(make_backend, clock):
    make_backend("a")
    found = shares(clock)["a"]
    assert (found.requests, found.share, found.planned) == (0, 0, 1)
    assert found.verdict == "too few requests to tell"


def test_what_nothing_explains_is_called_so(make_backend, count, lately, clock):
    make_backend("a")
    make_backend("b")
    count(lately, a=30, b=10)
    found = shares(clock)["a"]
    assert (found.verdict, found.reasons) == ("unexplained", [])
    assert found.words == ("Got 75.0% where 50.0% was planned: nothing that is known explains it.")


@pytest.mark.parametrize(
    ("kind", "begin", "end_kind", "end", "code"),
    [
        (EventKind.HEALTH_CHANGED, "unhealthy", EventKind.HEALTH_CHANGED, "healthy", "unhealthy"),
        (EventKind.HEALTH_CHANGED, "degraded", EventKind.HEALTH_CHANGED, "healthy", "degraded"),
        (
            EventKind.ADMIN_STATE_CHANGED,
            "draining",
            EventKind.ADMIN_STATE_CHANGED,
            "active",
            "draining",
        ),
        (
            *(EventKind.ADMIN_STATE_CHANGED, "maintenance"),
            *(EventKind.ADMIN_STATE_CHANGED, "active", "maintenance"),
        ),
        (EventKind.CIRCUIT_OPENED, "", EventKind.CIRCUIT_CLOSED, "", "circuit_open"),
        (EventKind.EJECTED, "", EventKind.UNEJECTED, "", "ejected"),
    ],
)
def test_what_kept_a_backend_away_is_told_with_how_long(
    make_backend, count, lately, clock, kind, begin, end_kind, end, code
):
    make_backend("a")
    b = make_backend("b")
    tell(b, kind, ago(minutes=30), to=begin)
    tell(b, end_kind, ago(minutes=18), to=end)
    count(lately, a=30, b=20)
    found = shares(clock)
    [reason] = found["b"].reasons
    assert (reason.code, reason.seconds) == (code, 12 * 60)
    assert reason.text.endswith("for 12 min of 1 h.")
    assert (found["b"].verdict, codes(found["a"])) == ("explained", ["others_away"])
    assert f"b ({code.replace('_', ' ')} for 12 min)" in found["a"].words


def test_what_began_before_the_span_counts_from_its_start(make_backend, count, lately, clock):
    make_backend("a")
    b = make_backend("b")
    tell(b, EventKind.HEALTH_CHANGED, ago(hours=5), to="unhealthy")
    count(lately, a=30)
    [reason] = shares(clock)["b"].reasons
    assert (reason.code, reason.seconds) == ("unhealthy", clock.last("1h").seconds)


def test_a_circuit_on_trial_is_still_away(make_backend, count, lately, clock):
    make_backend("a")
    b = make_backend("b")
    tell(b, EventKind.CIRCUIT_OPENED, ago(minutes=30))
    tell(b, EventKind.CIRCUIT_HALF_OPENED, ago(minutes=20))
    tell(b, EventKind.CIRCUIT_CLOSED, ago(minutes=15))
    count(lately, a=30, b=20)
    assert [reason.seconds for reason in shares(clock)["b"].reasons] == [15 * 60]


def test_a_slow_start_is_told(shop, make_backend, count, lately, clock):
    Pool.objects.filter(pk=shop.pk).update(slow_start=60)
    make_backend("a")
    b = make_backend("b")
    tell(b, EventKind.HEALTH_CHANGED, ago(minutes=20), to="unhealthy")
    tell(b, EventKind.HEALTH_CHANGED, ago(minutes=15), to="healthy")
    count(lately, a=30, b=20)
    assert codes(shares(clock)["b"]) == ["unhealthy", "slow_start"]


def test_clients_that_stick_explain_both_ways(shop, make_backend, count, lately, clock):
    Pool.objects.filter(pk=shop.pk).update(sticky_mode="cookie")
    make_backend("a")
    make_backend("b")
    count(lately, a=30, b=10)
    assert [codes(one) for one in shares(clock).values()] == [["sticky"], ["sticky"]]


def test_algorithms_that_follow_more_than_weights_are_told(
    shop, make_backend, count, lately, clock
):
    Pool.objects.filter(pk=shop.pk).update(algorithm="least_connections")
    make_backend("a")
    make_backend("b")
    count(lately, a=30, b=10)
    [reason] = shares(clock)["b"].reasons
    assert reason.text == "By least_connections, whoever has least under way gets more."


def test_a_backup_whose_turn_had_come_is_told(make_backend, count, lately, clock):
    a = make_backend("a")
    make_backend("backup", tier=1)
    tell(a, EventKind.HEALTH_CHANGED, ago(minutes=30), to="unhealthy")
    count(lately, a=10, backup=10)
    assert codes(shares(clock)["backup"]) == ["others_away", "backup"]


def publish(number, at, weights, pool_name="shop"):
    backends = tuple(
        BackendSpec(id=index, name=name, url="http://h:80", weight=weight)
        for index, (name, weight) in enumerate(weights.items(), 1)
    )
    snapshot = build(number, (PoolSpec(id=1, name=pool_name, backends=backends),), ())
    Revision.objects.create(
        number=number,
        content_hash=snapshot.content_hash,
        summary="",
        diff=[{"action": "changed", "kind": "backend", "fields": {"weight": [1, 3]}}],
        snapshot=encode(snapshot).decode(),
        created_at=at,
        published_at=at,
    )


def test_the_plan_follows_the_weights_that_were_in_force(make_backend, count, clock):
    """40 of 60 minutes by 1:1, 20 by 3:1; the requests of each say how much it counts."""
    make_backend("a", weight=3)
    make_backend("b")
    publish(1, ago(days=3), {"a": 1, "b": 1})
    publish(2, ago(minutes=20), {"a": 3, "b": 1})
    count([ago(minutes=minute) for minute in range(21, 60)], a=20, b=20)
    count([ago(minutes=minute) for minute in range(1, 20)], a=60, b=20)
    found = shares(clock)["a"]
    whole = 39 * 40 + 19 * 80
    assert found.planned == pytest.approx((39 * 20 + 19 * 60) / whole, abs=0.01)
    assert found.verdict == "as planned"
    [reason] = found.reasons
    assert reason.code == "weight_changed"
    assert "from 1 to 3 at 2026-05-04 12:14:56 UTC;" in reason.text


def test_a_backend_that_was_removed_in_the_span_was_planned_until_then(make_backend, count, clock):
    make_backend("a")
    publish(1, ago(days=3), {"a": 1, "gone": 1})
    publish(2, ago(minutes=30), {"a": 1})
    count([ago(minutes=minute) for minute in range(31, 60)], a=20, gone=20)
    count([ago(minutes=minute) for minute in range(1, 30)], a=40)
    found = shares(clock)
    assert found["gone"].planned == pytest.approx(0.25, abs=0.01)
    assert codes(found["gone"]) == ["weight_changed"]
    assert "removed" in found["gone"].reasons[0].text


def test_shares_are_those_of_each_pool(make_backend, batch, row, clock):
    make_backend("a")
    other = row((1,) * 30, pool_id=2, pool="blog", backend_id=9, backend="x")
    store.add([batch(row((1,) * 10), other, at=int(ago(minutes=1).timestamp()))], NOW)
    report = distribution_report(clock.last("1h"))
    assert [(one.pool, one.share) for one in report.backends] == [("blog", 1.0), ("shop", 1.0)]
    assert report.requests == 40
    one = distribution_report(clock.last("1h"), Scope(pool="shop"))
    assert [(share.pool, share.planned) for share in one.backends] == [("shop", 1.0)]


def test_one_backend_and_the_greatest_deviations(make_backend, count, lately, clock):
    for name in "abc":
        make_backend(name)
    count(lately, a=30, b=10, c=20)
    span = clock.last("1h")
    assert [one.backend for one in distribution_report(span, Scope(backend="b")).backends] == ["b"]
    top = distribution_report(span, selection=Selection(top=2))
    assert (top.backend_count, {one.backend for one in top.backends}) == (3, {"a", "b"})


@pytest.mark.parametrize("period", ["5m", "24h", "all"])
def test_nothing_configured_and_nothing_counted(clock, period):
    assert shares(clock, period=period) == {}


def test_queries_do_not_grow_with_backends(
    make_backend, count, lately, clock, django_assert_max_num_queries
):
    for number in range(30):
        make_backend(f"b{number}")
    count(lately[:3], **{f"b{number}": 2 for number in range(30)})
    with django_assert_max_num_queries(15):
        shares(clock)
