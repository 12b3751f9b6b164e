"""What happened: probes, the timeline, and every configuration that was ever published."""

from dataclasses import fields
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils import timezone

from pool.actor import Actor, current_actor, username
from pool.choices import EventKind, HealthState, ProbeResult, Severity, choices_of
from pool.history.tally import Tally

if TYPE_CHECKING:
    from pool.models.backend import Backend
    from pool.models.pool import Pool


def event_kind_choices() -> list[tuple[str, str]]:
    return choices_of(EventKind)


def severity_choices() -> list[tuple[str, str]]:
    return choices_of(Severity)


class HealthRecord(models.Model):
    """One probe of one backend, and how many passes before it were not kept."""

    backend = models.ForeignKey(
        "pool.Backend", on_delete=models.CASCADE, related_name="health_records"
    )
    at = models.DateTimeField(default=timezone.now)
    result = models.CharField(max_length=10, choices=partial(choices_of, ProbeResult))
    status = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Status of the response, if there was one."
    )
    latency_ms = models.FloatField(
        null=True, blank=True, help_text="Milliseconds until the probe was answered."
    )
    reason = models.TextField(blank=True, help_text="Why the probe failed.")
    excerpt = models.TextField(
        blank=True, default="", help_text="How the body of an answer that failed began."
    )
    state = models.CharField(
        max_length=20,
        choices=partial(choices_of, HealthState),
        help_text="What the backend counts as after this probe.",
    )
    omitted = models.PositiveIntegerField(
        default=0, help_text="Passes since the record before it that have none of their own."
    )
    omitted_latency_sum_ms = models.FloatField(default=0.0)
    omitted_latency_max_ms = models.FloatField(default=0.0)

    class Meta:
        ordering = ["-at", "-id"]
        # Both begin with what partitions would be made by, and rows are only ever appended:
        # the newest end of each index stays in memory.
        indexes = [
            models.Index(fields=["backend", "-at"], name="pool_healthrecord_backend_at"),
            models.Index(fields=["-at"], name="pool_healthrecord_at"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.result} {self.reason}".rstrip()


class HourlyUptime(models.Model):
    """What the probes of one hour came to for one backend: what is left of them in the end.

    Of an hour that is not over, or in which nothing was probed, there is none. Latencies
    are those of passes.
    """

    backend = models.ForeignKey(
        "pool.Backend", on_delete=models.CASCADE, related_name="hourly_uptimes"
    )
    hour = models.DateTimeField(help_text="When the hour began.")
    up = models.FloatField(help_text="Seconds, as are the next three.")
    degraded = models.FloatField()
    down = models.FloatField()
    unknown = models.FloatField(help_text="Not probed, or not for long enough to know.")
    probes = models.PositiveIntegerField()
    failures = models.PositiveIntegerField()
    flaps = models.PositiveIntegerField(help_text="How often it went down.")
    latency_sum = models.FloatField(help_text="Milliseconds.")
    latency_max = models.FloatField(help_text="Milliseconds.")

    class Meta:
        ordering = ["-hour", "backend"]
        indexes = [models.Index(fields=["-hour"], name="pool_hourlyuptime_hour")]
        constraints = [
            # What makes folding an hour twice the same as folding it once.
            models.UniqueConstraint(
                fields=["backend", "hour"], name="pool_hourlyuptime_backend_hour"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}: down for {self.down:.0f} s"

    @property
    def tally(self) -> Tally:
        return Tally(**{field.name: getattr(self, field.name) for field in fields(Tally)})


class EventManager(models.Manager["Event"]):
    def record(
        self,
        kind: EventKind,
        message: str,
        *,
        severity: Severity = Severity.INFO,
        pool: "Pool | None" = None,
        backend: "Backend | None" = None,
        actor: Actor = None,
        data: dict[str, Any] | None = None,
        at: datetime | None = None,
    ) -> "Event":
        """Write one row of the timeline; the one way to do so.

        Pool and actor default to the backend's pool and the current actor. The
        names go into `data` too: a row outlives what it tells of.
        """
        pool = pool or (backend.pool if backend else None)
        names = {"pool": pool and pool.name, "backend": backend and backend.name}
        return self.create(
            at=at or timezone.now(),
            kind=kind.value,
            severity=severity.value,
            pool=pool,
            backend=backend,
            message=message,
            data={key: name for key, name in names.items() if name} | (data or {}),
            actor=username(actor) or current_actor(),
        )


class Event(models.Model):
    """A row of the timeline."""

    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=50, choices=event_kind_choices)
    severity = models.CharField(
        max_length=10, choices=severity_choices, default=Severity.INFO.value
    )
    pool = models.ForeignKey(
        "pool.Pool", on_delete=models.SET_NULL, null=True, blank=True, related_name="events"
    )
    backend = models.ForeignKey(
        "pool.Backend", on_delete=models.SET_NULL, null=True, blank=True, related_name="events"
    )
    message = models.TextField()
    data = models.JSONField(default=dict, blank=True)
    actor = models.CharField(
        max_length=150, blank=True, help_text="User who caused it; empty if nobody did."
    )

    objects = EventManager()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["backend", "-at"], name="pool_event_backend_at"),
            models.Index(fields=["pool", "-at"], name="pool_event_pool_at"),
            models.Index(fields=["-at"], name="pool_event_at"),
        ]

    def __str__(self) -> str:
        return self.message


class Revision(models.Model):
    """One configuration that was published: who changed what, and all of it for a rollback."""

    number = models.PositiveBigIntegerField(unique=True)
    content_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150, blank=True)
    summary = models.TextField()
    diff = models.JSONField(default=list, help_text="What was added, removed and changed.")
    snapshot = models.TextField(help_text="The encoded snapshot.")
    published_at = models.DateTimeField(
        null=True, blank=True, help_text="When edges could first see it; empty: not yet."
    )

    class Meta:
        ordering = ["-number"]
        indexes = [models.Index(fields=["-created_at"], name="pool_revision_created_at")]
        permissions = [("rollback_revision", "Can roll back to a revision")]

    def __str__(self) -> str:
        return f"Revision {self.number}: {self.summary}"

    @property
    def published(self) -> bool:
        return self.published_at is not None
