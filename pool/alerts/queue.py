"""Messages that wait for their channel: in order, bounded, and each sent by one at a time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from pool.alerts.messages import Message
from pool.alerts.outcome import Outcome
from pool.choices import DeliveryState, MessageKind
from pool.models.alerts import Alert, AlertChannel, AlertDelivery

MAX_WAITING = 1000  # for one channel
MAX_ATTEMPTS = 12  # over about half an hour
FIRST_PAUSE, LONGEST_PAUSE = 5, 300  # seconds between two tries: twice as long each time
LEASE = 60  # seconds, after which a message that somebody went to send is anybody's again
MAX_EXCERPT = 1000  # characters


class Post(NamedTuple):
    alert: Alert
    kind: MessageKind
    message: Message


def add(posts: Iterable[Post], now: datetime) -> None:
    """To all channels of the alerts' rules. The oldest give way where too many wait."""
    deliveries = [
        AlertDelivery(
            channel=channel,
            alert=post.alert,
            kind=post.kind.value,
            message=post.message,
            created_at=now,
        )
        for post in posts
        for channel in post.alert.rule.channels.all()
    ]
    AlertDelivery.objects.bulk_create(deliveries)
    for channel_id in sorted({delivery.channel_id for delivery in deliveries}):
        _trim(channel_id)


def claim(now: datetime, limit: int) -> list[AlertDelivery]:
    """The oldest message of each channel that may be tried; the channel is the caller's for now."""
    waiting = _waiting().filter(channel=OuterRef("pk"))
    ready = AlertChannel.objects.filter(Exists(waiting), retry_at__lte=now).order_by("retry_at")
    heads = [_claim(channel, now) for channel in ready[:limit]]
    return [head for head in heads if head is not None]


def settle(delivery: AlertDelivery, outcome: Outcome, now: datetime) -> None:
    """Write down what came of a try, and when the channel is next tried."""
    channel = delivery.channel
    over = outcome.permanent or delivery.attempts >= MAX_ATTEMPTS
    state = DeliveryState.WAITING
    if outcome.delivered:
        state = DeliveryState.DELIVERED
    elif over:
        state = DeliveryState.FAILED
    pause = 0 if state is not DeliveryState.WAITING else _pause(delivery.attempts, outcome)
    with transaction.atomic():
        _waiting().filter(pk=delivery.pk).update(
            state=state.value,
            tried_at=now,
            status=outcome.status,
            detail=channel.without_secrets(outcome.detail),
            excerpt=channel.without_secrets(outcome.excerpt)[:MAX_EXCERPT],
        )
        AlertChannel.objects.filter(pk=channel.pk).update(retry_at=now + timedelta(seconds=pause))


def _waiting() -> QuerySet[AlertDelivery]:
    return AlertDelivery.objects.filter(state=DeliveryState.WAITING.value)


def _claim(channel: AlertChannel, now: datetime) -> AlertDelivery | None:
    """Of several workers that read the same channel, the one whose update finds it unchanged."""
    unchanged = AlertChannel.objects.filter(pk=channel.pk, retry_at=channel.retry_at)
    if not unchanged.update(retry_at=now + timedelta(seconds=LEASE)):
        return None
    head = _waiting().filter(channel=channel).select_related("channel").order_by("id").first()
    if head is not None:
        # Before it is sent: a message that kills its sender must come to an end as well.
        _waiting().filter(pk=head.pk).update(attempts=F("attempts") + 1)
        head.attempts += 1
    return head


def _pause(attempts: int, outcome: Outcome) -> int:
    grown: int = FIRST_PAUSE * 2 ** (attempts - 1)
    return min(max(grown, outcome.retry_after), LONGEST_PAUSE)


def _trim(channel_id: int) -> None:
    newest = _waiting().filter(channel=channel_id).order_by("-id").values_list("pk", flat=True)
    surplus = list(newest[MAX_WAITING:])
    if surplus:
        AlertDelivery.objects.filter(pk__in=surplus).update(
            state=DeliveryState.DROPPED.value,
            detail=f"more than {MAX_WAITING} messages waited for this channel",
        )
