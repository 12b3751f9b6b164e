"""Channels and rules are set up, tried and looked at in the admin; secrets are never shown."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from pool.alerts.evaluate import evaluate
from pool.choices import EventKind, Severity
from pool.models import Alert, AlertChannel, AlertDelivery, AlertRule, Event

SECRET = "a-secret-nobody-may-see"
FORM = {"name": "pager", "kind": "webhook", "url": "http://127.0.0.1:1/", "signing_secret": SECRET}


def page(name, *args):
    return reverse(f"admin:pool_{name}", args=args)


@pytest.fixture
def pager(db):
    return AlertChannel.objects.create(**FORM)


@pytest.fixture
def told(pager, one, redis_client):
    """An alert with a message that waits."""
    rule = AlertRule.objects.create(name="down")
    rule.channels.add(pager)
    event = Event.objects.record(
        EventKind.HEALTH_CHANGED,
        "one is down",
        severity=Severity.WARNING,
        backend=one,
        data={"to": "unhealthy", "reason": "no answer"},
    )
    evaluate(event.at)
    return Alert.objects.get()


def test_a_channel_is_made_and_changed_without_its_secret_being_shown(admin, db):
    answer = admin.post(page("alertchannel_add"), FORM, follow=True)
    assert SECRET not in answer.content.decode()
    channel = AlertChannel.objects.get()
    url = page("alertchannel_change", channel.pk)
    text = admin.get(url).content.decode()
    assert SECRET not in text
    assert "Leave it empty to keep the one that is set" in text
    admin.post(url, FORM | {"name": "duty", "signing_secret": ""})
    channel.refresh_from_db()
    assert (channel.name, channel.signing_secret) == ("duty", SECRET)
    admin.post(url, FORM | {"signing_secret": "another-secret-of-length"})
    channel.refresh_from_db()
    assert channel.signing_secret == "another-secret-of-length"
    assert SECRET not in admin.get(page("alertchannel_history", channel.pk)).content.decode()


def test_a_secret_that_is_refused_is_not_shown_either(admin, db):
    answer = admin.post(page("alertchannel_add"), FORM | {"url": "ftp://a"})
    assert "Start with https://" in answer.content.decode()
    assert SECRET not in answer.content.decode()


def test_a_new_channel_needs_its_secret(admin, db):
    answer = admin.post(page("alertchannel_add"), FORM | {"signing_secret": ""})
    assert "A channel of kind webhook needs this." in answer.content.decode()


def test_a_rule_starts_from_what_people_want_to_be_told_of(admin, pager, web):
    text = admin.get(page("alertrule_add")).content.decode()
    assert text.count('name="kinds"') == len(EventKind)
    form = {
        "name": "down",
        "enabled": "on",
        "kinds": ["failover", "health_changed"],
        "minimum_severity": "warning",
        "hold_for": 10,
        "quiet_for": 60,
        "gather_for": 30,
        "pools": [web.pk],
        "channels": [pager.pk],
    }
    admin.post(page("alertrule_add"), form)
    rule = AlertRule.objects.get()
    assert rule.kinds == ["health_changed", "failover"]
    assert (list(rule.pools.all()), list(rule.channels.all())) == ([web], [pager])
    listed = admin.get(page("alertrule_changelist")).content.decode()
    assert "health changed, failover in web" in listed


def test_a_rule_without_kinds_or_channels_is_refused(admin, db):
    seconds = dict.fromkeys(("hold_for", "quiet_for", "gather_for"), 0)
    form = {"name": "down", "minimum_severity": "warning", **seconds}
    answer = admin.post(page("alertrule_add"), form)
    assert set(answer.context["adminform"].form.errors) == {"kinds", "channels"}


def test_the_test_button_shows_what_came_back(admin, pager, redis_client):
    url = page("alertchannel_send_test", pager.pk)
    assert "Send a test message?" in admin.get(url).content.decode()
    answer = admin.post(url, {"_form_submitted": "1"}, follow=True).content.decode()
    assert "The test message was not delivered: 127.0.0.1 is an internal address" in answer
    assert AlertDelivery.objects.get().kind == "test"


def test_who_may_only_look_sends_nothing(viewer, pager):
    assert viewer.get(page("alertchannel_change", pager.pk)).status_code == 200
    viewer.post(page("alertchannel_send_test", pager.pk), {"_form_submitted": "1"})
    assert not AlertDelivery.objects.exists()


def test_who_may_only_look_sees_no_more_of_a_url_than_its_host(viewer, pager):
    AlertChannel.objects.update(url="https://hooks.example/in/hunter2")
    for url in (page("alertchannel_change", pager.pk), page("alertchannel_changelist")):
        text = viewer.get(url).content.decode()
        assert "https://hooks.example/…" in text
        assert "hunter2" not in text
    assert "pager" not in viewer.get(f"{page('alertchannel_changelist')}?q=hunter").content.decode()


def test_who_may_only_look_sees_no_secret(viewer, pager):
    text = viewer.get(page("alertchannel_change", pager.pk)).content.decode()
    assert SECRET not in text


def test_alerts_and_messages_have_their_pages(admin, told, pager):
    pages = [page(f"{name}_changelist") for name in ("alert", "alertdelivery", "alertchannel")]
    pages += [page("alert_change", told.pk), page("alertchannel_change", pager.pk)]
    pages.append(page("alertdelivery_change", AlertDelivery.objects.get().pk))
    for url in pages[:2] + pages[3:]:
        assert "Backend web/one is unhealthy" in admin.get(url).content.decode(), url
    assert admin.get(pages[2]).status_code == 200


@pytest.mark.parametrize("model", [AlertRule, AlertChannel])
def test_a_rule_or_channel_is_deleted_with_its_part_of_the_log(admin, told, model):
    url = page(f"{model._meta.model_name}_delete", model.objects.get().pk)
    assert "and what the log has of it" in admin.get(url).content.decode()
    admin.post(url, {"post": "yes"})
    assert not model.objects.exists()
    assert not AlertDelivery.objects.exists()


@pytest.mark.parametrize("name", ["alert", "alertchannel", "alertdelivery", "alertrule"])
def test_a_list_costs_no_query_a_row(admin, told, name, redis_client, django_assert_num_queries):
    url = page(f"{name}_changelist")
    admin.get(url)  # what is asked once a process
    with CaptureQueriesContext(connection) as few:
        admin.get(url)
    for number in range(5):
        channel = AlertChannel.objects.create(**FORM | {"name": f"pager-{number}"})
        rule = AlertRule.objects.create(name=f"down-{number}")
        rule.channels.add(channel)
        again = {"rule": rule, "title": "down", "state": "firing"}
        alert = Alert.objects.create(**again, since=told.since, last_at=told.since)
        AlertDelivery.objects.create(channel=channel, alert=alert, kind="firing", message={})
    with django_assert_num_queries(len(few)):
        admin.get(url)
