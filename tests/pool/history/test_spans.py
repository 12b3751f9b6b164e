"""Uptimes of any span, from hours and from records, checked against the probes themselves."""

from datetime import UTC, datetime, timedelta

import pytest

from pool.history.folding import fold_hours
from pool.history.spans import read_uptimes
from pool.models import Backend, HealthRecord, Pool

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = NOON + timedelta(hours=3, minutes=40)
MINUTE = timedelta(minutes=1)
EVERY = 30  # seconds between two probes


@pytest.fixture
def backends():
    pool = Pool.objects.create(name="shop", health_interval=10)
    return [Backend.objects.create(pool=pool, url=f"http://127.0.0.1:{port}") for port in (1, 2)]


def probe(backend, start, seconds, state="healthy"):
    result = "fail" if state == "unhealthy" else "pass"
    HealthRecord.objects.bulk_create(
        HealthRecord(backend=backend, at=start + timedelta(seconds=at), state=state, result=result)
        for at in range(0, seconds, EVERY)
    )


@pytest.fixture
def probed(backends):
    """The first one was down for five minutes at 12:20, 13:50 and 15:10."""
    first, second = backends
    outages = [NOON + at * MINUTE for at in (20, 110, 190)]
    at = NOON
    for outage in outages:
        probe(first, at, int((outage - at).total_seconds()))
        probe(first, outage, 300, "unhealthy")
        at = outage + 5 * MINUTE
    probe(first, at, int((NOW - at).total_seconds()))
    probe(second, NOON, int((NOW - NOON).total_seconds()))
    assert fold_hours(NOW, 60) == 3
    return backends


def down(backends, since, until=NOW, now=NOW):
    uptimes = read_uptimes(backends, since, until, now)
    return [uptimes.tallies()[backend.pk].down for backend in backends]


@pytest.mark.parametrize(
    ("since", "until", "seconds"),
    [
        (0, 220, 900),
        (22, 220, 3 * 60 + 600),  # begins in an outage
        (21, 112, 4 * 60 + 2 * 60),  # ends in one
        (60, 120, 300),  # one hour
        (115, 130, 0),  # less than one
        (170, 220, 300),  # over the end of what is folded
        (192, 194, 120),  # beyond it
    ],
)
def test_while_there_are_records_it_is_exact(probed, since, until, seconds):
    assert down(probed, NOON + since * MINUTE, NOON + until * MINUTE) == [seconds, 0]


def test_hours_are_in_utc_wherever_the_span_is_told(probed):
    from zoneinfo import ZoneInfo

    since = (NOON + 22 * MINUTE).astimezone(ZoneInfo("Asia/Kolkata"))
    assert down(probed, since) == [3 * 60 + 600, 0]


def test_where_records_are_gone_an_hour_has_its_part(probed):
    HealthRecord.objects.filter(at__lt=NOON + timedelta(hours=3)).delete()
    later = NOW + timedelta(days=2)
    assert down(probed, NOON + 30 * MINUTE, NOON + 180 * MINUTE, later) == [150 + 300, 0]
    assert down(probed, NOON + 10 * MINUTE, NOON + 20 * MINUTE, later) == [50, 0]


def test_what_nobody_knows_is_unknown(probed):
    uptimes = read_uptimes(probed, NOON - timedelta(hours=2), NOON, NOW)
    tally = uptimes.tallies()[probed[0].pk]
    assert (tally.known, tally.unknown, tally.uptime) == (0, 7200, None)


def test_of_a_pool_as_much_is_known_as_of_its_best_known_backend(probed):
    first, second = probed
    HealthRecord.objects.filter(backend=second, at__gte=NOON + timedelta(hours=3)).delete()
    uptimes = read_uptimes(probed, NOON + 30 * MINUTE, NOW, NOW)
    assert sum(one.seconds for one in uptimes.known_of_pools()) == 190 * 60
    assert sum(one.seconds for one in uptimes.known_of([first.pk])) == 190 * 60
    # The last state holds for a while: a record may follow later than the next probe.
    assert 150 * 60 <= sum(one.seconds for one in uptimes.known_of([second.pk])) < 155 * 60


def test_the_number_of_queries_does_not_grow(probed, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        down(probed, NOON + 30 * MINUTE)
