"""Old events and revisions go, except what still says how things are or is referred to."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pool import retention, tasks
from pool.bus import EDGES_KEY
from pool.choices import EventKind
from pool.history.retention import NEWEST_REVISIONS, prune_events, prune_revisions
from pool.models import Backend, Event, Pool, Revision
from tests.edge_reports import edge_report

pytestmark = pytest.mark.django_db

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def tell(at, kind=EventKind.HEALTH_CHANGED, **about):
    return Event.objects.record(kind, "told", at=at, **about)


def left(*events):
    kept = set(Event.objects.values_list("pk", flat=True))
    return [event for event in events if event.pk in kept]


def revise(number, published_at, created_at=THEN - 900 * DAY):
    return Revision.objects.create(
        number=number, created_at=created_at, published_at=published_at, snapshot="{}"
    )


def numbers():
    return sorted(Revision.objects.values_list("number", flat=True))


def running(number):
    return edge_report(snapshot_number=number)


@pytest.fixture
def newest(monkeypatch):
    """None stays for being among the newest, but the last one."""
    monkeypatch.setattr("pool.history.retention.NEWEST_REVISIONS", 1)


def test_events_from_before_the_time_that_is_kept_go():
    old, kept = tell(THEN - DAY / 2), tell(THEN)
    prune_events(THEN)
    assert left(old, kept) == [kept]


def test_the_last_word_on_a_backend_stays(one):
    down, up, drained = (
        tell(THEN - 3 * DAY, backend=one),
        tell(THEN - 2 * DAY, backend=one),
        tell(THEN - 9 * DAY, EventKind.ADMIN_STATE_CHANGED, backend=one),
    )
    prune_events(THEN)
    assert left(down, up, drained) == [up, drained]


def test_the_last_word_before_the_time_that_is_kept_stays_beside_later_ones(one):
    """It says how that time began."""
    first, second = tell(THEN - DAY, backend=one), tell(THEN + DAY, backend=one)
    prune_events(THEN)
    assert left(first, second) == [first, second]


def test_of_events_at_the_same_time_the_later_row_is_the_last_word(one):
    first, second = tell(THEN - DAY, backend=one), tell(THEN - DAY, backend=one)
    prune_events(THEN)
    assert left(first, second) == [second]


def test_the_last_word_on_a_pool_stays(web, one):
    other = Pool.objects.create(name="other")
    away, back, others = (
        tell(THEN - 3 * DAY, EventKind.FAILOVER, pool=web),
        tell(THEN - 2 * DAY, EventKind.FAILOVER, pool=web),
        tell(THEN - 9 * DAY, EventKind.FAILOVER, pool=other),
    )
    tell(THEN - DAY, EventKind.FAILOVER, backend=one)
    prune_events(THEN)
    assert left(away, back, others) == [back, others]


def test_one_backend_is_not_the_last_word_on_another(web, one):
    two = Backend.objects.create(pool=web, name="two", url="http://127.0.0.1:9002")
    first, second = tell(THEN - 2 * DAY, backend=one), tell(THEN - DAY, backend=two)
    prune_events(THEN)
    assert left(first, second) == [first, second]


def test_a_run_ends_and_the_next_one_goes_on(monkeypatch):
    monkeypatch.setattr(retention, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(retention, "_STEPS", 3)
    for _ in range(10):
        tell(THEN - DAY)
    assert prune_events(THEN) == 6
    assert prune_events(THEN) == 4


def test_a_revision_goes_when_another_took_its_place_before_the_time_that_is_kept(newest):
    for number, at in ((1, -9), (2, -5), (3, 5), (4, 6)):
        revise(number, THEN + at * DAY)
    prune_revisions(THEN, running=())
    assert numbers() == [2, 3, 4]  # 2 was in force until the fifth day


def test_a_revision_that_edges_never_got_takes_nobodys_place(newest):
    revise(1, THEN - 9 * DAY)
    revise(2, None)
    prune_revisions(THEN, running=())
    assert numbers() == [1, 2]


def test_a_revision_that_an_edge_runs_stays(newest):
    for number in (1, 2, 3):
        revise(number, THEN - 9 * DAY)
    prune_revisions(THEN, running={1})
    assert numbers() == [1, 3]


def test_the_newest_revisions_stay_however_old_they_are(monkeypatch):
    monkeypatch.setattr("pool.history.retention.NEWEST_REVISIONS", 3)
    for number in range(1, 6):
        revise(number, THEN - 9 * DAY)
    prune_revisions(THEN, running=())
    assert numbers() == [3, 4, 5]


def test_few_revisions_all_stay():
    for number in (1, 2):
        revise(number, THEN - 9 * DAY)
    prune_revisions(THEN, running=())
    assert numbers() == [1, 2]
    assert NEWEST_REVISIONS == 1000


def test_the_task_goes_by_the_setting_and_by_what_edges_run(settings, redis_client, newest):
    settings.LB_HISTORY_RETENTION_DAYS = 2
    now = datetime.now(UTC)
    old, kept = tell(now - 3 * DAY), tell(now - DAY)
    for number in (1, 2, 3):
        revise(number, now - 9 * DAY)
    redis_client.hset(EDGES_KEY, "w", msgspec.json.encode(running(1)))
    tasks.prune()
    assert left(old, kept) == [kept]
    assert numbers() == [1, 3]
