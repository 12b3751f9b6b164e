"""The ways to people: one function each, which sends a message once and says what came of it."""

from collections.abc import Callable

from pool.alerts.channels import email, slack, webhook
from pool.alerts.outcome import Outcome
from pool.choices import ChannelKind
from pool.models.alerts import AlertDelivery

Send = Callable[[AlertDelivery], Outcome]

SENDERS: dict[ChannelKind, Send] = {
    ChannelKind.WEBHOOK: webhook.send,
    ChannelKind.EMAIL: email.send,
    ChannelKind.SLACK: slack.send,
}


def send(delivery: AlertDelivery) -> Outcome:
    """Needs neither the database nor a transaction; takes some seconds at most."""
    return SENDERS[ChannelKind(delivery.channel.kind)](delivery)
