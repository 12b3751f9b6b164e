"""What a message says, as data that is kept with it, and as text for people."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from pool.choices import MessageKind, Severity
from pool.models.alerts import Alert, AlertChannel

# Django setting: where people open the admin, as https://lb.example.com. None: no links.
PUBLIC_URL = "LB_PUBLIC_URL"

Message = dict[str, Any]

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
        "link": _link(alert),
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


def subject(message: Message) -> str:
    return f"{_LABELS[MessageKind(message['status'])]}: {message['title']}"


def lines(message: Message) -> list[str]:
    """What there is to say below the subject."""
    return [line for line in (_why(message), *_facts(message)) if line]


def _why(message: Message) -> str:
    label = "It was" if message["status"] == MessageKind.RESOLVED else "Why"
    return f"{label}: {message['reason']}"


def _facts(message: Message) -> list[str]:
    names = (("Pool", message["pool"]), ("Backend", message["backend"]))
    said = [f"{label}: {name}" for label, name in names if name]
    said.append(f"Since: {_clock(message['since'])}")
    if message["ended_at"]:
        said.append(f"Until: {_clock(message['ended_at'])}")
    if message["count"] > 1:
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
    at = timezone.localtime(datetime.fromisoformat(iso))
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"


def _base() -> str:
    return str(getattr(settings, PUBLIC_URL, "") or "").rstrip("/")


def _link(alert: Alert) -> str | None:
    """To the page of what it is about, if that has one and people can be sent there."""
    if not _base():
        return None
    try:
        return _base() + _page(alert)
    except NoReverseMatch:
        return None  # a project without the admin


def _page(alert: Alert) -> str:
    if alert.backend_id:
        return reverse("admin:pool_backend_change", args=[alert.backend_id])
    if alert.pool_id:
        return reverse("admin:pool_pool_change", args=[alert.pool_id])
    return reverse("admin:pool_alert_changelist")
