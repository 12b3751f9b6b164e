"""Messages that wait for their channel: in order, bounded, and each sent by one at a time.

What happens to one pool is told together. The first of it goes out at once; what follows
within the rule's `gather_for` waits until that is over, and is one message then.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import takewhile
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet

from pool.alerts.messages import Message, together
from pool.alerts.outcome import Outcome
from pool.choices import DeliveryState, MessageKind
from pool.models.alerts import Alert, AlertChannel, AlertDelivery

MAX_WAITING = 1000  # for one channel
MAX_ATTEMPTS = 12  # over about half an hour
FIRST_PAUSE, LONGEST_PAUSE = 5, 300  # seconds between two tries: twice as long each time
LEASE = 60  # seconds, after which a message that somebody went to send is anybody's again
MAX_EXCERPT = 1000  # characters
MAX_TOGETHER = 500  # in one message


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
            group=_group(post.alert),
            send_at=now,
        )
        for post in posts
        for channel in post.alert.rule.channels.all()
    ]
    _gather([delivery for delivery in deliveries if delivery.group], now)
    AlertDelivery.objects.bulk_create(deliveries)
    for channel_id in sorted({delivery.channel_id for delivery in deliveries}):
        _trim(channel_id)


def claim(now: datetime, limit: int) -> list[AlertDelivery]:
    """What each channel that may be tried is told next; the channel is the caller's for now.

    The first of what goes out together stands for the others, with the message for all.
    """
    waiting = _waiting().filter(channel=OuterRef("pk"), send_at__lte=now)
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
        _waiting().filter(channel=channel, bundle=delivery.bundle).update(
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
    ready = _waiting().filter(channel=channel, send_at__lte=now)
    head = ready.select_related("channel", "alert").order_by("send_at", "id").first()
    if head is None:
        return None
    rows = _with(head, ready)
    head.bundle, head.message = head.bundle or head.key, together(rows)
    # Before it is sent: a message that kills its sender must come to an end as well.
    sent = _waiting().filter(pk__in=[row.pk for row in rows])
    sent.update(bundle=head.bundle, attempts=F("attempts") + 1)
    head.attempts += 1
    return head


def _with(head: AlertDelivery, ready: QuerySet[AlertDelivery]) -> list[AlertDelivery]:
    """All that is told in one message with `head`: what was, if that has been tried already.

    Up to what says something else of the group, so that no end overtakes its beginning.
    """
    if head.bundle is not None:
        return list(ready.filter(bundle=head.bundle).order_by("id"))
    if not head.group:
        return [head]
    group = ready.filter(group=head.group, bundle=None).order_by("send_at", "id")[:MAX_TOGETHER]
    return list(takewhile(lambda row: row.kind == head.kind, group))


def _group(alert: Alert) -> str:
    """What is told together; "" for what is told by itself."""
    if not alert.rule.gather_for:
        return ""
    return f"{alert.rule_id}:{alert.pool_id or ''}:{alert.kind}"


def _gather(deliveries: list[AlertDelivery], now: datetime) -> None:
    """Have what follows on something lately told of the same group wait for company."""
    longest = max((_window(one) for one in deliveries), default=timedelta())
    lately = AlertDelivery.objects.filter(
        channel__in={one.channel_id for one in deliveries},
        group__in={one.group for one in deliveries},
        send_at__gt=now - longest,
    )
    rows = lately.order_by().values_list("channel", "group").annotate(Max("send_at"))
    told = {(channel, group): at for channel, group, at in rows}
    for one in deliveries:
        last = told.get((one.channel_id, one.group))
        if last is not None and last + _window(one) > now:
            one.send_at = last if last >= now else last + _window(one)
        told[one.channel_id, one.group] = one.send_at


def _window(delivery: AlertDelivery) -> timedelta:
    alert = delivery.alert
    return timedelta(seconds=alert.rule.gather_for if alert else 0)


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
