"""Who is told of what, by which way, and what came of it."""

import uuid
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from pool.alerts.fields import EventKindsField, RecipientsField, WebhookUrlField
from pool.choices import (
    AlertState,
    ChannelKind,
    DeliveryState,
    EventKind,
    MessageKind,
    Severity,
    choices_of,
)
from pool.models.history import event_kind_choices, severity_choices

MIN_SECRET = 16  # characters; what is shorter lets nobody in
DAY = 86_400


def channel_kind_choices() -> list[tuple[str, str]]:
    names = {ChannelKind.EMAIL: "E-mail", ChannelKind.SLACK: "Slack-compatible webhook"}
    return [(kind.value, names.get(kind, kind.capitalize())) for kind in ChannelKind]


def message_kind_choices() -> list[tuple[str, str]]:
    return choices_of(MessageKind)


def usual_kinds() -> list[str]:
    """What people want to be woken up for, to start a rule from."""
    return [
        EventKind.HEALTH_CHANGED.value,
        EventKind.CONFIGURATION_NOT_PUBLISHED.value,
        EventKind.EDGE_LEFT.value,
        EventKind.EDGE_LAGS.value,
        EventKind.FAILOVER.value,
        EventKind.PANIC.value,
        EventKind.NO_HEALTHY_UPSTREAM.value,
        EventKind.CIRCUIT_OPENED.value,
    ]


class _Checked(models.Model):
    """Checked whoever saves it."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.full_clean()
        super().save(*args, **kwargs)


class AlertChannel(_Checked):
    """A way to people. What it must not tell anybody is never shown once it is set."""

    name = models.SlugField(
        max_length=100,
        unique=True,
        help_text="Letters, digits, hyphens and underscores; used in URLs.",
        error_messages={"unique": "Another channel has this name; choose another one."},
    )
    kind = models.CharField(max_length=20, choices=channel_kind_choices)
    url = WebhookUrlField(
        "URL",
        max_length=1000,
        blank=True,
        default="",
        help_text="Of a webhook: where messages are posted to, as JSON.",
    )
    signing_secret = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text=f"Of a webhook: signs messages (HMAC-SHA256); {MIN_SECRET} to 200 characters. "
        "It is never shown again.",
    )
    slack_url = WebhookUrlField(
        "Slack URL",
        max_length=1000,
        blank=True,
        default="",
        help_text="The incoming webhook of Slack, Mattermost or whatever takes the same. It is "
        "never shown again.",
    )
    recipients = RecipientsField(
        max_length=2000, blank=True, default="", help_text="E-mail addresses, with commas."
    )
    # A claim as well as a pause: who sends moves it on first, beyond the time that it takes.
    retry_at = models.DateTimeField(default=timezone.now, editable=False)

    SECRETS = ("signing_secret", "slack_url")
    NEEDED = {
        ChannelKind.WEBHOOK: ("url", "signing_secret"),
        ChannelKind.EMAIL: ("recipients",),
        ChannelKind.SLACK: ("slack_url",),
    }

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """What waits for it is tried at once: what was wrong may have been put right."""
        self.retry_at = timezone.now()
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Keeps nothing of another kind than it is: least of all a secret that nobody sees."""
        super().clean()
        if self.kind not in self.NEEDED:
            return  # told by the field
        needed = self.NEEDED[ChannelKind(self.kind)]
        missing = f"A channel of kind {self.kind} needs this."
        problems = {name: missing for name in needed if not getattr(self, name)}
        if "signing_secret" in needed and 0 < len(self.signing_secret) < MIN_SECRET:
            problems["signing_secret"] = f"Give at least {MIN_SECRET} characters."
        if problems:
            raise ValidationError(problems)
        for others in self.NEEDED.values():
            for name in set(others) - set(needed):
                setattr(self, name, "")

    @property
    def goes_to(self) -> str:
        """For whoever may look at it: many a URL lets somebody in by its path or query."""
        if self.kind == ChannelKind.EMAIL:
            return self.recipients
        parts = urlsplit(self.url or self.slack_url)
        return f"{parts.scheme}://{parts.netloc}/…"

    def without_secrets(self, text: str) -> str:
        """`text`, in which the other side may repeat what it was sent."""
        for url in filter(None, (self.url, self.slack_url)):
            target = urlsplit(url)._replace(scheme="", netloc="").geturl().lstrip("/")
            text = _without(text.replace(url, "…"), target)
        return _without(text, self.signing_secret)


def _without(text: str, secret: str) -> str:
    return text.replace(secret, "…") if len(secret) >= MIN_SECRET else text


class AlertRule(_Checked):
    """Which events are told through which channels."""

    name = models.SlugField(
        max_length=100,
        unique=True,
        help_text="Letters, digits, hyphens and underscores; used in URLs and messages.",
        error_messages={"unique": "Another rule has this name; choose another one."},
    )
    enabled = models.BooleanField(default=True)
    kinds = EventKindsField(
        default=usual_kinds,
        help_text="What is told of. What takes a condition back is told as its end in any case.",
    )
    pools = models.ManyToManyField(
        "pool.Pool",
        blank=True,
        related_name="alert_rules",
        help_text="None: all, and what is about no pool.",
    )
    minimum_severity = models.CharField(
        max_length=10, choices=severity_choices, default=Severity.WARNING.value
    )
    hold_for = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(DAY)],
        help_text="Seconds for which a condition must last before it is told; 0: at once.",
    )
    quiet_for = models.PositiveIntegerField(
        default=60,
        validators=[MaxValueValidator(DAY)],
        help_text="Seconds for which a condition must be over before that is told. One that "
        "comes back sooner is the same alert, and only counted.",
    )
    gather_for = models.PositiveIntegerField(
        default=30,
        validators=[MaxValueValidator(DAY)],
        help_text="Seconds in which all that happens to one pool is told in one message, so that "
        "a rack that goes down is not a message a backend. The first one is told at once; 0: each "
        "by itself.",
    )
    channels = models.ManyToManyField(AlertChannel, related_name="rules")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="pool_alertrule_seconds",
                condition=Q(hold_for__lte=DAY, quiet_for__lte=DAY, gather_for__lte=DAY),
                violation_error_message="hold_for, quiet_for or gather_for is out of range.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """A condition that a rule tells of, from its beginning until it has stayed away."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="alerts")
    subject = models.CharField(max_length=300, help_text="What finds the events that are its.")
    kind = models.CharField(max_length=50, choices=event_kind_choices)
    severity = models.CharField(max_length=10, choices=severity_choices)
    pool = models.ForeignKey("pool.Pool", on_delete=models.SET_NULL, null=True, related_name="+")
    backend = models.ForeignKey(
        "pool.Backend", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    names = models.JSONField(default=dict, help_text="Of pool and backend: it outlives them.")
    title = models.TextField()
    reason = models.TextField()
    ending = models.TextField(blank=True, default="", help_text="What is so since it is over.")
    state = models.CharField(max_length=10, choices=partial(choices_of, AlertState))
    count = models.PositiveIntegerField(default=1, help_text="How often it began.")
    since = models.DateTimeField(help_text="When it began first.")
    last_at = models.DateTimeField(help_text="When it began last.")
    ended_at = models.DateTimeField(null=True)
    due = models.DateTimeField(null=True, help_text="When its state changes by itself.")

    class Meta:
        ordering = ["-since", "-id"]
        indexes = [
            models.Index(fields=["-since"], name="pool_alert_since"),
            models.Index(fields=["due"], name="pool_alert_due", condition=Q(due__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject"],
                name="pool_alert_one_open",
                condition=~Q(state=AlertState.CLOSED.value),
            )
        ]

    def __str__(self) -> str:
        return self.title


class AlertDelivery(models.Model):
    """What one channel is told of one alert: what waits to be sent, and the log of what was.

    Those of one `group` that wait together go out in one message.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True)
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="deliveries")
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, null=True, related_name="deliveries")
    kind = models.CharField(max_length=10, choices=message_kind_choices)
    message = models.JSONField()
    state = models.CharField(
        max_length=10,
        choices=partial(choices_of, DeliveryState),
        default=DeliveryState.WAITING.value,
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    group = models.CharField(max_length=100, blank=True, default="")
    send_at = models.DateTimeField(default=timezone.now, help_text="Not before then.")
    bundle = models.UUIDField(
        null=True,
        help_text="Key of the message that it goes out in, which is the same for each try and for "
        "all that is told in it.",
    )
    tried_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="Of the answer over HTTP.")
    detail = models.TextField(blank=True, default="", help_text="What came of the last try.")
    excerpt = models.TextField(blank=True, default="", help_text="How the answer's body began.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "alert deliveries"
        indexes = [
            models.Index(
                fields=["channel", "send_at", "id"],
                name="pool_alertdelivery_waiting",
                condition=Q(state=DeliveryState.WAITING.value),
            ),
            models.Index(fields=["-created_at"], name="pool_alertdelivery_created"),
            models.Index(fields=["channel", "group", "send_at"], name="pool_alertdelivery_group"),
        ]

    def __str__(self) -> str:
        return str(self.message.get("title", self.key))


class AlertCursor(models.Model):
    """How far the timeline has been read: one row, whose lock is the right to read on.

    Databases give numbers out before they commit, so that a row may appear behind one that
    was read already. `gaps`: numbers that were passed over, and until when (Unix seconds)
    they are looked for.
    """

    last_id = models.PositiveBigIntegerField(default=0)
    gaps = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"Read up to event {self.last_id}"
