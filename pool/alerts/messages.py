"""What a message says, as data that is kept with it, and as text for people."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from pool.choices import MessageKind, Severity
from pool.models.alerts import Alert, AlertChannel, AlertDelivery

# Django setting: where people open the admin, as https://lb.example.com. None: no links.
PUBLIC_URL = "LB_PUBLIC_URL"

Message = dict[str, Any]

_NAMED = 20  # of those that are told together, in a text for people
_RANK = [severity.value for severity in Severity]

_LABELS = {
    MessageKind.FIRING: "Alert",
    MessageKind.RESOLVED: "Resolved",
    MessageKind.NOTICE: "Notice",
    MessageKind.REPEATED: "Repeated",
    MessageKind.TEST: "Test",
}


def of_alert(alert: Alert, kind: MessageKind) -> Message:
    """As the alert is now: what becomes of it later changes no message."""
    return {
        "alert": str(alert.key),
        "status": kind.value,
        "severity": str(alert.severity),
        "event": alert.kind,
        "rule": alert.rule.name,
        "title": _one_line(_title(alert, kind)),
        "reason": alert.reason,
        "pool": alert.names.get("pool"),
        "backend": alert.names.get("backend"),
        "since": _iso(alert.since),
        "last_at": _iso(alert.last_at),
        "ended_at": _iso(alert.ended_at),
        "count": alert.count,
        "link": _link(alert.pool_id, alert.backend_id),
    }


def of_test(channel: AlertChannel, by: str, base_url: str) -> Message:
    """Of the same shape. `base_url`: of the request, for when no public URL is set."""
    page = reverse("admin:pool_alertchannel_change", args=[channel.pk])
    return {
        "alert": None,
        "status": MessageKind.TEST.value,
        "severity": Severity.INFO.value,
        "event": None,
        "rule": None,
        "title": f"Test of the channel {channel.name}",
        "reason": f"{by or 'Somebody'} asked for it. Alerts will look like this.",
        "pool": None,
        "backend": None,
        "since": _iso(timezone.now()),
        "last_at": None,
        "ended_at": None,
        "count": 1,
        "link": (_base() or base_url.rstrip("/")) + page,
    }


def together(deliveries: Sequence[AlertDelivery]) -> Message:
    """One message of the same shape for several of one group, with them as its `alerts`."""
    told: list[Message] = [delivery.message for delivery in deliveries]
    first, alert = told[0], deliveries[0].alert
    if len(told) == 1 or alert is None:
        return first
    where = f" in pool {first['pool']}" if first["pool"] else ""
    return {
        **first,
        "alert": None,
        "backend": None,
        "severity": max((one["severity"] for one in told), key=_RANK.index),
        "title": f"{first['title']}, and {len(told) - 1} more{where}",
        "since": min(one["since"] for one in told),
        "last_at": max(one["last_at"] for one in told),
        "ended_at": max((one["ended_at"] for one in told if one["ended_at"]), default=None),
        "count": sum(one["count"] for one in told),
        "link": _link(alert.pool_id, None),
        "alerts": told,
    }


def subject(message: Message) -> str:
    return f"{_LABELS[MessageKind(message['status'])]}: {message['title']}"


def lines(message: Message) -> list[str]:
    """What there is to say below the subject."""
    each = _each(message["alerts"]) if "alerts" in message else [_why(message)]
    return [*each, *_facts(message)]


def _each(alerts: Sequence[Message]) -> list[str]:
    said = [f"- {one['title']}: {one['reason']}" for one in alerts[:_NAMED]]
    more = len(alerts) - len(said)
    return [*said, f"- and {more} more"] if more else said


def _why(message: Message) -> str:
    label = "It was" if message["status"] == MessageKind.RESOLVED else "Why"
    return f"{label}: {message['reason']}"


def _facts(message: Message) -> list[str]:
    names = (("Pool", message["pool"]), ("Backend", message["backend"]))
    said = [f"{label}: {name}" for label, name in names if name]
    said.append(f"Since: {_clock(message['since'])}")
    if message["ended_at"]:
        said.append(f"Until: {_clock(message['ended_at'])}")
    if message["count"] > len(message.get("alerts", [message])):
        said.append(f"Times: {message['count']}, the last at {_clock(message['last_at'])}")
    if message["rule"]:
        said.append(f"Rule: {message['rule']} (severity {message['severity']})")
    return said


def _title(alert: Alert, kind: MessageKind) -> str:
    return (alert.ending if kind is MessageKind.RESOLVED else "") or alert.title


def _one_line(text: str) -> str:
    """A line break in a subject could begin a header field of its own."""
    return " ".join(text.split())[:200]


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _clock(iso: str) -> str:
    """By the server's clock, whoever asks: a page's may be that of who looks at it."""
    at = timezone.localtime(datetime.fromisoformat(iso), timezone.get_default_timezone())
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"


def _base() -> str:
    return str(getattr(settings, PUBLIC_URL, "") or "").rstrip("/")


def _link(pool_id: int | None, backend_id: int | None) -> str | None:
    """To the page of what it is about, if that has one and people can be sent there."""
    if not _base():
        return None
    try:
        return _base() + _page(pool_id, backend_id)
    except NoReverseMatch:
        return None  # a project without the admin


def _page(pool_id: int | None, backend_id: int | None) -> str:
    if backend_id:
        return reverse("admin:pool_backend_change", args=[backend_id])
    if pool_id:
        return reverse("admin:pool_pool_change", args=[pool_id])
    return reverse("admin:pool_alert_changelist")
