"""What caused what, by the order of things on the timeline."""

from datetime import timedelta

import pytest
from django.utils import timezone

from pool.choices import EventKind
from pool.history.causes import causes_of, effects_of
from pool.models import Backend, Event, Pool

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def backend():
    return Backend.objects.create(pool=Pool.objects.create(name="shop"), url="http://a")


@pytest.fixture
def other():
    return Backend.objects.create(pool=Pool.objects.create(name="blog"), url="http://b")


def event(kind, backend=None, seconds=0.0, **fields):
    at = NOW + timedelta(seconds=seconds)
    return Event.objects.record(kind, str(kind), backend=backend, at=at, **fields)


def health(backend, to, seconds=0.0):
    data = {"from": "unhealthy" if to == "healthy" else "healthy", "to": to}
    return event(EventKind.HEALTH_CHANGED, backend, seconds, data=data)


def cause(of):
    return causes_of([of]).get(of.pk)


def test_a_failover_comes_from_the_health_that_changed_with_it(backend, other):
    moved = event(EventKind.FAILOVER, pool=backend.pool)
    down = health(backend, "unhealthy")  # its row follows later
    health(other, "unhealthy")
    assert cause(moved) == down


def test_a_failover_comes_from_nothing_long_past(backend):
    health(backend, "unhealthy", -60)
    assert cause(event(EventKind.FAILOVER, pool=backend.pool)) is None


def test_a_recovery_is_no_reason_to_fail_over(backend):
    health(backend, "healthy", -1)
    assert cause(event(EventKind.FAILOVER, pool=backend.pool)) is None


def test_a_failback_comes_from_the_recovery_it_waited_for(backend):
    health(backend, "unhealthy", -90)
    up = health(backend, "healthy", -60)
    assert cause(event(EventKind.FAILBACK, pool=backend.pool)) == up


def test_what_a_person_did_has_no_other_cause(backend):
    health(backend, "unhealthy", -1)
    assert cause(event(EventKind.FAILOVER, pool=backend.pool, actor="olga")) is None


def test_a_recovery_belongs_to_the_outage_before_it(backend):
    down = health(backend, "unhealthy", -60)
    assert cause(health(backend, "healthy")) == down
    assert cause(down) is None


@pytest.mark.parametrize("kind", [EventKind.CIRCUIT_HALF_OPENED, EventKind.CIRCUIT_CLOSED])
def test_what_becomes_of_a_circuit_comes_from_what_opened_it(backend, other, kind):
    opened = event(EventKind.CIRCUIT_OPENED, backend, -30)
    event(EventKind.CIRCUIT_OPENED, other, -10)
    assert cause(event(kind, backend)) == opened


def test_a_revision_comes_from_the_button_that_its_author_pressed(backend):
    drained = event(EventKind.ADMIN_STATE_CHANGED, backend, -0.1, actor="olga")
    event(EventKind.ADMIN_STATE_CHANGED, backend, -0.05, actor="max")
    assert cause(event(EventKind.CONFIGURATION_APPLIED, actor="olga")) == drained


def test_an_event_may_name_its_cause_itself(backend):
    named = event(EventKind.EDGE_LEFT, seconds=-99999)
    assert cause(event(EventKind.EDGE_JOINED, data={"caused_by": named.pk})) == named


def test_effects_are_found_from_their_cause(backend):
    down = health(backend, "unhealthy")
    moved = event(EventKind.FAILOVER, pool=backend.pool)
    up = health(backend, "healthy", 60)
    assert effects_of(down, 10) == [moved, up]
    assert effects_of(down, 1) == [moved]


def test_a_page_of_events_takes_one_query(backend, django_assert_num_queries):
    events = [health(backend, "unhealthy" if n % 2 else "healthy", n) for n in range(50)]
    with django_assert_num_queries(1):
        assert len(causes_of(events)) == 24


def test_a_return_comes_from_the_ejection_and_either_moves_its_pools_traffic(backend):
    ejected = event(EventKind.EJECTED, backend, -40)
    assert cause(event(EventKind.FAILOVER, pool=backend.pool, seconds=-39)) == ejected
    back = event(EventKind.UNEJECTED, backend, -10)
    assert cause(back) == ejected
    assert cause(event(EventKind.FAILBACK, pool=backend.pool)) == back


@pytest.mark.parametrize("kind", [EventKind.PANIC, EventKind.NO_HEALTHY_UPSTREAM])
def test_panic_comes_from_the_loss_before_it_and_ends_with_a_recovery(backend, kind):
    down = health(backend, "unhealthy", -61)
    began = event(kind, pool=backend.pool, seconds=-60)
    up = health(backend, "healthy", -1)
    over = event(EventKind.POOL_RECOVERED, pool=backend.pool)
    assert (cause(began), cause(over)) == (down, up)
