"""The availability report, checked against seconds and requests that are counted without it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import store
from analytics.reports import Clock, Scope, Selection
from analytics.reports.availability import availability_report
from analytics.reports.budget import budget
from analytics.reports.strips import MOST, cut_cells
from pool.choices import EventKind
from pool.history.folding import fold_hours
from pool.models import Backend, Event, HealthRecord, Pool

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = NOON + timedelta(hours=4)
DAY = 86400
EVERY = 30  # seconds between two probes


@pytest.fixture
def pool():
    return Pool.objects.create(name="shop", health_interval=10)


@pytest.fixture
def backend(pool):
    """Makes one that was made at noon, or so many minutes after it, and is probed until now."""

    def make(name, *outages, made=0):
        one = Backend.objects.create(pool=pool, name=name, url=f"http://{name}:1")
        created = NOON + timedelta(minutes=made)
        Backend.objects.filter(pk=one.pk).update(created_at=created)
        _probe(one, created, [_span(outage) for outage in outages])
        return one

    return make


def _span(outage):
    """Minutes since noon → times; an end of None: still."""
    start, end = outage
    return NOON + timedelta(minutes=start), NOW if end is None else NOON + timedelta(minutes=end)


def _probe(backend, created, outages):
    for start, end in outages:
        _tell(backend, start, "healthy", "unhealthy")
        if end < NOW:
            _tell(backend, end, "unhealthy", "healthy")
    records = []
    at = created
    while at < NOW:
        down = any(start <= at < end for start, end in outages)
        state, result = ("unhealthy", "fail") if down else ("healthy", "pass")
        records.append(HealthRecord(backend=backend, at=at, state=state, result=result))
        at += timedelta(seconds=EVERY)
    HealthRecord.objects.bulk_create(records)


def _tell(backend, at, before, after, kind=EventKind.HEALTH_CHANGED):
    Event.objects.record(kind, "told", backend=backend, at=at, data={"from": before, "to": after})


def report(period="6h", *, scope=Scope(), since=None, until=None, **options):  # noqa: B008
    fold_hours(NOW, 60)
    clock = Clock.read(now=NOW)
    if since is None:
        span = clock.last(period)
    else:
        start, end = (NOON.timestamp() + 60 * minutes for minutes in (since, until))
        span = clock.between(start, end)
    return availability_report(span, NOW, scope, **options)


def one(found, name):
    [row] = [row for row in found.backends if row.backend == name]
    return row


# --- backends ---


def test_outages_of_a_backend(backend):
    backend("a", (20, 25), (60, 75), (100, 101))
    row = one(report(since=0, until=240), "a")
    assert row.uptime == round(100 * (1 - 21 / 240), 5)
    assert (row.downtime, row.unknown) == (21 * 60, 0)
    assert (row.outages, row.flaps, row.ongoing) == (3, 3, False)
    assert (row.mttr, row.longest) == (7 * 60, 15 * 60)


def test_what_began_before_lasted_from_there(backend):
    backend("a", (20, 40))
    row = one(report(since=30, until=240), "a")
    assert (row.downtime, row.outages, row.flaps) == (600, 1, 0)
    assert (row.mttr, row.longest) == (1200, 1200)


def test_what_is_not_over_is_no_repair(backend):
    backend("a", (20, 30), (230, None))
    row = one(report(since=0, until=240), "a")
    assert (row.ongoing, row.outages, row.downtime) == (True, 2, 1200)
    assert (row.mttr, row.longest) == (600, 600)


def test_a_backend_that_nobody_probed_has_no_uptime(pool):
    Backend.objects.create(pool=pool, name="a", url="http://a:1")
    row = one(report(), "a")
    assert (row.uptime, row.downtime, row.mttr, row.longest) == (None, 0, None, None)
    assert row.time_budget.left_percent is None
    assert row.unknown > 0


def test_time_before_it_was_made_is_unknown(backend):
    backend("a", made=120)
    row = one(report(since=0, until=240), "a")
    assert (row.uptime, row.unknown) == (100, 7200)


def test_everything_begins_with_the_first_backend(backend):
    backend("a", (20, 25))
    row = one(report("all"), "a")
    assert (row.downtime, row.unknown) == (300, 0)


# --- pools ---


def test_a_pool_is_down_when_all_of_its_backends_are(backend):
    backend("a", (20, 40), (100, 110), (200, None))
    backend("b", (30, 50), (105, 120))
    [row] = report(since=0, until=240).pools
    assert (row.pool, row.backends) == ("shop", 2)
    assert (row.downtime, row.outages, row.flaps, row.ongoing) == (15 * 60, 2, 2, False)
    assert row.uptime == round(100 * (1 - 15 / 240), 5)
    assert (row.mttr, row.longest) == (7.5 * 60, 600)


def test_a_drained_backend_serves_nobody_new(backend):
    backend("a", (100, 160))
    drained = backend("b")
    for minute, before, after in ((90, "active", "draining"), (130, "draining", "active")):
        at = NOON + timedelta(minutes=minute)
        _tell(drained, at, before, after, EventKind.ADMIN_STATE_CHANGED)
    [row] = report(since=0, until=240).pools
    assert (row.downtime, row.outages) == (30 * 60, 1)


def test_a_backend_serves_nobody_before_it_was_made(backend):
    backend("a", (60, 120))
    backend("b", made=90)
    [row] = report(since=0, until=240).pools
    assert row.downtime == 30 * 60


def test_a_pool_begins_with_its_first_backend(backend):
    backend("a", made=120)
    backend("b", made=180)
    [row] = report(since=0, until=240).pools
    assert (row.uptime, row.downtime, row.unknown) == (100, 0, 7200)


def test_backends_of_one_name_make_no_pool(backend):
    backend("a")
    backend("b")
    found = report(scope=Scope(pool="shop", backend="b"))
    assert (found.pools, [row.backend for row in found.backends]) == ([], ["b"])


# --- targets ---


def test_requests_are_the_other_measure(backend, batch, row):
    backend("a")
    rows = [
        row((10,) * 1000, status_2xx=997, status_5xx=3),
        row((10,) * 20, backend_id=0, backend="", status_2xx=0, status_5xx=20),
        row((10,) * 5, status_2xx=0, status_4xx=5, client_aborts=5),
    ]
    store.add([batch(*rows, at=int(NOW.timestamp()) - 60)], NOW)
    found = report("1h", target=99.5)
    of_backend, [of_pool] = one(found, "a"), found.pools
    assert (of_backend.requests, of_backend.errors, of_backend.availability) == (1000, 3, 99.7)
    assert (of_backend.request_budget.met, of_backend.request_budget.left) == (True, 2)
    assert of_backend.request_budget.burn_rate == 0.6
    assert (of_pool.requests, of_pool.errors) == (1020, 23)
    assert (of_pool.request_budget.met, of_pool.request_budget.burn_rate) == (False, 4.51)


def test_a_budget_of_time(backend):
    backend("a", (20, 21))
    found = one(report(since=0, until=240, target=99.0), "a").time_budget
    assert (found.allowed, found.used, found.left) == (144, 60, 84)
    assert (found.met, found.left_percent, found.burn_rate) == (True, 58.333, 0.417)


@given(
    st.floats(50, 99.99),
    st.floats(0, 1e6).map(lambda value: round(value, 3)),
    st.floats(1, 1e9).map(lambda value: round(value, 3)),
)
def test_a_burn_rate_above_one_is_a_target_missed(target, used, whole):
    found = budget(target, used, whole)
    if found.burn_rate is not None and abs(found.burn_rate - 1) > 0.001:
        assert found.met == (found.burn_rate < 1)


# --- strips ---


def test_the_strip_of_a_backend_and_of_its_pool(backend):
    backend("a", (20, 25), (119, 121))
    found = report(since=0, until=240, scope=Scope(pool="shop"))
    assert [(strip.pool, strip.backend) for strip in found.strips] == [("shop", ""), ("shop", "a")]
    strip = found.strips[1]
    assert (strip.start, strip.step, len(strip.uptime)) == (NOON, 300, 48)
    assert strip.down == [{4: 300, 23: 60, 24: 60}.get(index, 0) for index in range(48)]
    assert strip.uptime[4] == 0
    assert strip.uptime[23] == strip.uptime[24] == 80
    assert set(strip.uptime) == {0, 80, 100}


def test_a_cell_of_which_nothing_is_known_has_no_uptime(backend):
    backend("a", made=180)
    strip = report(since=0, until=240, scope=Scope(pool="shop")).strips[1]
    assert strip.uptime == [None] * 36 + [100.0] * 12


def test_a_short_strip_tells_as_well_when_nobody_knew(backend):
    backend("a", made=238)
    strip = report("5m", scope=Scope(pool="shop")).strips[1]
    assert strip.step == 10
    assert strip.uptime[:18] == [None] * 18
    assert strip.uptime[-12:-1] == [100.0] * 11


def test_of_all_pools_only_these_have_strips(backend):
    backend("a")
    assert [strip.backend for strip in report().strips] == [""]


@given(st.integers(0, 4 * 10**9), st.integers(10, 40 * 365 * DAY))
def test_no_strip_is_too_long(start, seconds):
    cells = cut_cells(start, start + seconds)
    assert 1 <= cells.size <= MOST
    assert cells.start <= start
    assert cells.start + cells.size * cells.width >= start + seconds


# --- what there is to choose ---


def test_the_worst_come_first_if_so_asked(backend):
    for name, minutes in (("a", 5), ("b", 30), ("c", 10)):
        backend(name, (20, 20 + minutes))
    found = report(selection=Selection(top=2))
    assert ([row.backend for row in found.backends], found.backend_count) == (["b", "c"], 3)


def test_without_anything_configured_it_is_empty():
    found = report("all")
    assert (found.pools, found.backends, found.strips) == ([], [], [])


def test_the_number_of_queries_does_not_grow(backend, django_assert_max_num_queries):
    for name in "abcdef":
        backend(name, (20, 30))
    fold_hours(NOW, 60)
    with django_assert_max_num_queries(20):
        report(scope=Scope(pool="shop"))
