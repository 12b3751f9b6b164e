"""Alerts by e-mail, to a real mail server."""

from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from django.core.mail.backends import smtp

from pool.alerts.delivery import deliver, send_test
from pool.models import AlertChannel, AlertDelivery
from tests.integration.edge.harness.ports import ReservedPort


class Inbox(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []
        self.refuses = ""

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    inbox = Inbox()
    port = ReservedPort()
    controller = Controller(inbox, hostname="127.0.0.1", port=port.number)
    controller.start()
    settings.EMAIL_BACKEND = f"{smtp.__name__}.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = port.number
    settings.DEFAULT_FROM_EMAIL = "lb@example.com"
    yield inbox
    controller.stop()
    port.release()


@pytest.fixture
def people(db: None) -> AlertChannel:
    return AlertChannel.objects.create(
        name="people", kind="email", recipients="ops@example.com; boss@example.com"
    )


def test_a_mail_arrives_at_everybody(inbox, people, rule, one, health, at):
    rule.channels.set([people])
    health(one, "unhealthy", reason="no answer within 2 s\r\nBcc: x@example.com")
    at(1)
    deliver()
    (mail,) = inbox.mails
    delivery = AlertDelivery.objects.get()
    assert delivery.state == "delivered"
    assert mail["Subject"] == "[lbsite] Alert: Backend web/one is unhealthy"
    assert mail["To"] == "ops@example.com, boss@example.com"
    assert mail["Bcc"] is None
    assert mail["From"] == "lb@example.com"
    assert mail["Message-ID"] == f"<{delivery.key}@example.com>"
    text = mail.get_payload(decode=True).decode()
    assert "Why: no answer within 2 s" in text
    assert "Rule: down (severity warning)" in text


@pytest.mark.parametrize(
    ("reply", "state"), [("550 unknown user", "failed"), ("450 try later", "waiting")]
)
def test_what_the_mail_server_says_is_told(inbox, people, rule, one, health, at, reply, state):
    inbox.refuses = reply
    rule.channels.set([people])
    health(one, "unhealthy")
    at(1)
    deliver()
    delivery = AlertDelivery.objects.get()
    assert delivery.state == state
    assert delivery.detail == f"the mail server says {reply[:3]}: {reply[4:]}"


def test_a_mail_server_that_is_away_is_told(inbox, people, settings):
    settings.EMAIL_PORT = 1
    assert send_test(people).detail == "the mail server cannot be used: connection refused"


def test_without_a_mail_server_the_setting_is_named(people, settings):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = f"{smtp.__name__}.EmailBackend", ""
    assert send_test(people).detail == "no mail server is set: LB_EMAIL_URL names one"
