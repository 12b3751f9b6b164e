"""Messages arrive: signed, in order, tried again while that may help, and logged."""

import base64
import hashlib
import hmac
import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from pool.alerts import queue
from pool.alerts.delivery import deliver, send_test
from pool.models import AlertChannel, AlertDelivery
from tests.pool.alerts.conftest import SECRET


@pytest.fixture
def firing(rule, one, health, at, webhook):
    """One message that waits for the webhook."""
    health(one, "unhealthy", reason="no answer within 2 s")
    at(1)
    return AlertDelivery.objects.get()


def end_of_pause():
    AlertChannel.objects.update(retry_at=timezone.now())


def test_a_message_says_what_where_since_when_and_why(firing, receiver, settings, one):
    deliver()
    (message,) = receiver.messages
    assert message["title"] == "Backend web/one is unhealthy"
    assert message["reason"] == "no answer within 2 s"
    assert (message["pool"], message["backend"]) == ("web", "one")
    assert (message["status"], message["severity"], message["count"]) == ("firing", "warning", 1)
    assert message["since"] == "2026-01-02T03:04:05+00:00"
    assert message["rule"] == "down"
    assert message["link"] is None
    assert "Since: 2026-01-02 03:04:05 UTC" in message["text"]


def test_a_message_links_to_the_page_of_what_it_is_about(rule, one, health, at, settings):
    settings.LB_PUBLIC_URL = "https://lb.example.com"
    health(one, "unhealthy")
    at(1)
    link = AlertDelivery.objects.get().message["link"]
    assert link == f"https://lb.example.com/admin/pool/backend/{one.pk}/change/"


def test_a_receiver_can_check_who_sent_it_and_when(firing, receiver):
    deliver()
    path, headers, body = receiver.requests[0]
    assert path == "/hook?team=a"
    key, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    signed = f"{key}.{timestamp}.".encode() + body
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert key == headers["idempotency-key"] == receiver.messages[0]["id"] == str(firing.key)
    assert abs(int(timestamp) - timezone.now().timestamp()) < 60


def test_what_came_back_is_in_the_log(firing, receiver):
    receiver.answer(202, b"queued as 7\x00")
    deliver()
    firing.refresh_from_db()
    assert (firing.state, firing.status, firing.attempts) == ("delivered", 202, 1)
    assert firing.excerpt == "queued as 7\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("status", [500, 503, 408, 425, 429])
def test_a_message_is_tried_again_after_a_pause_under_the_same_key(firing, receiver, status):
    receiver.answer(status, b"busy")
    receiver.answer(200)
    deliver()
    deliver()
    assert len(receiver.requests) == 1
    firing.refresh_from_db()
    assert (firing.state, firing.status) == ("waiting", status)
    end_of_pause()
    deliver()
    firing.refresh_from_db()
    assert (firing.state, firing.attempts) == ("delivered", 2)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 1
    assert receiver.requests[0][2] == receiver.requests[1][2]


def test_pauses_grow_up_to_five_minutes_and_come_to_an_end(firing, receiver):
    receiver.answer(500)
    pauses = []
    for _ in range(queue.MAX_ATTEMPTS):
        deliver()
        left = AlertChannel.objects.get().retry_at - timezone.now()
        pauses.append(round(left / timedelta(seconds=5)) * 5)
        end_of_pause()
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 0]
    firing.refresh_from_db()
    assert (firing.state, firing.attempts) == ("failed", queue.MAX_ATTEMPTS)


def test_a_receiver_may_ask_for_a_longer_pause(firing, receiver):
    receiver.answer(429, Retry_After="120")
    deliver()
    left = AlertChannel.objects.get().retry_at - timezone.now()
    assert timedelta(seconds=110) < left <= timedelta(seconds=120)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410])
def test_what_no_retry_would_change_is_tried_once_and_followed_nowhere(firing, receiver, status):
    receiver.answer(status, Location=receiver.url)
    deliver()
    end_of_pause()
    deliver()
    assert len(receiver.requests) == 1
    firing.refresh_from_db()
    assert firing.state == "failed"
    assert f"status {status}" in firing.detail


def test_messages_of_a_channel_keep_their_order(firing, receiver, one, health, at):
    health(one, "healthy", 10)
    at(100)
    receiver.answer(500)
    receiver.answer(200)
    deliver()
    assert [message["status"] for message in receiver.messages] == ["firing"]
    end_of_pause()
    deliver()
    assert [message["status"] for message in receiver.messages][1:] == ["firing", "resolved"]


def test_a_channel_that_fails_holds_up_no_other(firing, receiver, rule, one, health, at):
    AlertChannel.objects.create(
        name="dead", kind="webhook", url="http://127.0.0.1:1/", signing_secret=SECRET
    ).rules.add(rule)
    health(one, "healthy", 10)
    at(100)
    deliver()
    states = AlertDelivery.objects.order_by("channel", "id").values_list("channel__name", "state")
    assert list(states) == [("dead", "waiting"), ("pager", "delivered"), ("pager", "delivered")]
    assert AlertDelivery.objects.get(channel__name="dead").detail == "connection refused"


def test_a_worker_that_dies_while_it_sends_loses_nothing(firing, receiver):
    now = timezone.now()
    assert queue.claim(now, 10) == [firing]  # and never comes back
    assert queue.claim(now, 10) == []
    assert queue.claim(now + timedelta(seconds=queue.LEASE - 1), 10) == []
    (again,) = queue.claim(now + timedelta(seconds=queue.LEASE + 1), 10)
    assert (again.key, again.attempts) == (firing.key, 2)


def test_of_two_workers_that_see_a_message_one_sends_it(firing):
    channel = AlertChannel.objects.get()
    assert queue._claim(channel, timezone.now()) == firing
    assert queue._claim(channel, timezone.now()) is None


def test_too_many_waiting_messages_drop_the_oldest(rule, one, health, at, monkeypatch):
    monkeypatch.setattr(queue, "MAX_WAITING", 3)
    rule.quiet_for = 0
    rule.save()
    for second in range(0, 40, 10):
        health(one, "unhealthy", second)
        health(one, "healthy", second + 5)
    at(100)
    states = list(AlertDelivery.objects.order_by("id").values_list("state", flat=True))
    assert states == ["dropped"] * 5 + ["waiting"] * 3


def test_a_test_message_is_sent_now_and_logged(webhook, receiver):
    receiver.answer(200, b"got it")
    delivery = send_test(webhook, "olga", "http://lb.local:8001/")
    (message,) = receiver.messages
    assert (message["status"], message["title"]) == ("test", "Test of the channel pager")
    assert "olga asked for it" in message["reason"]
    assert message["link"] == f"http://lb.local:8001/admin/pool/alertchannel/{webhook.pk}/change/"
    assert (delivery.state, delivery.status, delivery.excerpt) == ("delivered", 200, "got it")
    assert AlertDelivery.objects.get() == delivery


def test_a_test_message_says_its_time_as_alerts_do_whoever_asks_for_it(webhook, receiver):
    with timezone.override("Asia/Kathmandu"):
        send_test(webhook, "olga")
    (since,) = [line for line in receiver.messages[0]["text"].split("\n") if "Since" in line]
    assert since.endswith(" UTC")
    assert since[7:17] == receiver.messages[0]["since"][:10]


def test_a_fault_of_our_own_is_logged_without_what_was_to_be_sent(webhook, monkeypatch, caplog):
    def fail(delivery):
        raise KeyError(delivery.channel.signing_secret)

    monkeypatch.setattr("pool.alerts.channels.send", fail)
    assert send_test(webhook).detail == "could not be sent: KeyError"
    (record,) = caplog.records
    assert record.getMessage().startswith("a message for pager could not be sent: KeyError, at ")
    assert "test_delivery.py:" in record.getMessage()
    assert SECRET not in caplog.text


def test_a_test_that_fails_is_not_tried_again(webhook, receiver):
    receiver.answer(500)
    assert send_test(webhook).state == "failed"
    deliver()
    assert len(receiver.requests) == 1


def test_secrets_that_come_back_are_not_kept(db, receiver, caplog):
    caplog.set_level(logging.DEBUG)
    secret_url = receiver.url.replace("/hook?team=a", "/services/T0/B0/hunter2")
    channel = AlertChannel.objects.create(name="chat", kind="slack", slack_url=secret_url)
    receiver.answer(404, f"no such hook: {secret_url}, /services/T0/B0/hunter2".encode())
    delivery = send_test(channel)
    texts = [delivery.excerpt, delivery.detail, repr(channel), repr(delivery), caplog.text]
    assert not any("hunter2" in text for text in texts)
    assert "no such hook: …" in delivery.excerpt


def test_slack_gets_text_that_cannot_call_for_everybody(rule, one, health, at, receiver):
    chat = AlertChannel.objects.create(name="chat", kind="slack", slack_url=receiver.url)
    rule.channels.set([chat])
    health(one, "unhealthy", reason="<!channel> & more")
    at(1)
    deliver()
    (message,) = receiver.messages
    assert message.keys() == {"text"}
    assert message["text"].startswith("*Alert: Backend web/one is unhealthy*\n")
    assert "&lt;!channel&gt; &amp; more" in message["text"]
