"""drain(), enable() and maintain(): the state changes, and the timeline says who did it."""

import pytest
from django.contrib.auth.models import User

from pool.actor import acting_as
from pool.choices import AdminState, EventKind
from pool.models import Backend, Event

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("drain", AdminState.ACTIVE, AdminState.DRAINING),
        ("maintain", AdminState.DRAINING, AdminState.MAINTENANCE),
        ("enable", AdminState.MAINTENANCE, AdminState.ACTIVE),
    ],
)
def test_a_verb_changes_the_state_and_is_recorded(one, verb, before, after):
    Backend.objects.update(admin_state=before)
    getattr(one, verb)(by="anna")
    one.refresh_from_db()
    assert one.admin_state == after
    event = Event.objects.get()
    assert event.kind == EventKind.ADMIN_STATE_CHANGED
    assert event.message == f"Backend web/one: {before} → {after}"
    assert event.data == {"pool": "web", "backend": "one", "from": before, "to": after}
    assert (event.actor, event.backend, event.pool) == ("anna", one, one.pool)


def test_a_verb_that_changes_nothing_is_not_recorded(one):
    one.enable(by="anna")
    assert not Event.objects.exists()


def test_a_verb_leaves_what_others_saved_meanwhile(one):
    Backend.objects.update(weight=7)
    one.drain()
    one.refresh_from_db()
    assert (one.weight, one.admin_state) == (7, AdminState.DRAINING)


def test_a_state_that_is_saved_by_a_form_is_recorded_too(one):
    one.admin_state = AdminState.MAINTENANCE.value
    with acting_as(User(username="bob")):
        one.save()
    assert Event.objects.get().actor == "bob"


def test_a_save_of_other_fields_does_not_record_a_state(one):
    one.admin_state = AdminState.DRAINING.value
    one.save(update_fields=["weight"])
    assert not Event.objects.exists()


def test_the_timeline_outlives_the_backend(one):
    one.drain(by="anna")
    one.pool.delete()
    event = Event.objects.get()
    assert (event.backend, event.pool) == (None, None)
    assert event.data["backend"] == "one"
