"""Sends what waits: each channel's messages in order, several channels at a time."""

import logging
import traceback
from concurrent.futures import ThreadPoolExecutor

from django.utils import timezone

from pool.actor import Actor, current_actor, username
from pool.alerts import channels, messages, queue
from pool.alerts.outcome import Outcome
from pool.choices import DeliveryState, MessageKind
from pool.models.alerts import AlertChannel, AlertDelivery

logger = logging.getLogger(__name__)

CHANNELS = 16  # at a time
MAX_ROUNDS = 100


def deliver() -> None:
    """Send until nothing may be tried. The threads only send; the database is this one's part."""
    for _ in range(MAX_ROUNDS):
        heads = queue.claim(timezone.now(), CHANNELS)
        if not heads:
            return
        with ThreadPoolExecutor(len(heads), thread_name_prefix="alert") as executor:
            outcomes = list(executor.map(_send, heads))
        for delivery, outcome in zip(heads, outcomes, strict=True):
            queue.settle(delivery, outcome, timezone.now())


def send_test(channel: AlertChannel, by: Actor = None, base_url: str = "") -> AlertDelivery:
    """Send a message now, once, and tell what came of it; it is in the log like any other."""
    message = messages.of_test(channel, username(by) or current_actor(), base_url)
    delivery = AlertDelivery(
        channel=channel, kind=MessageKind.TEST.value, message=message, attempts=1
    )
    delivery.bundle = delivery.key
    outcome = _send(delivery)
    delivery.state = (DeliveryState.DELIVERED if outcome.delivered else DeliveryState.FAILED).value
    delivery.tried_at, delivery.status = timezone.now(), outcome.status
    delivery.detail = channel.without_secrets(outcome.detail)
    delivery.excerpt = channel.without_secrets(outcome.excerpt)
    delivery.save()
    return delivery


def _send(delivery: AlertDelivery) -> Outcome:
    """A fault of ours must not stop the others' messages."""
    try:
        return channels.send(delivery)
    except Exception as error:
        # Not its text, which may hold what was to be sent, or where to.
        kind, place = type(error).__name__, traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename}:{place.lineno}"
        logger.error("a message for %s could not be sent: %s, at %s", delivery.channel, kind, where)
        return Outcome(detail=f"could not be sent: {kind}")
