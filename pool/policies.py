"""The policies of a pool as groups of columns, each with its struct in the snapshot.

A policy is three things kept together here: the columns (an abstract model), the
mapping between columns and struct (`PolicyGroup`, used in both directions: to
compile and to roll back), and a database constraint as the last line of defence.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from pool.fields import RequestTargetField, SecondsBetween, StatusRangesField
from pool.snapshot import HealthPolicy, RetryPolicy, TimeoutPolicy

P = TypeVar("P", bound=msgspec.Struct)


@dataclass(frozen=True)
class PolicyGroup(Generic[P]):
    """`columns` maps each field of the struct to the column that holds it."""

    struct: type[P]
    columns: dict[str, str]

    def compile(self, row: models.Model) -> P:
        return self.struct(**{field: getattr(row, name) for field, name in self.columns.items()})

    def restore(self, policy: P) -> dict[str, Any]:
        """The columns' values that compile to `policy`."""
        return {name: getattr(policy, field) for field, name in self.columns.items()}


def _seconds(default: float, low: float, high: float, help_text: str) -> models.FloatField:
    return models.FloatField(
        default=default, validators=[SecondsBetween(low, high)], help_text=help_text
    )


def _count(default: int, low: int, high: int, help_text: str) -> models.PositiveSmallIntegerField:
    return models.PositiveSmallIntegerField(
        default=default,
        validators=[MinValueValidator(low), MaxValueValidator(high)],
        help_text=help_text,
    )


HEALTH = PolicyGroup(
    HealthPolicy, {name: f"health_{name}" for name in HealthPolicy.__struct_fields__}
)
TIMEOUTS = PolicyGroup(
    TimeoutPolicy, {name: f"{name}_timeout" for name in TimeoutPolicy.__struct_fields__}
)
RETRY = PolicyGroup(RetryPolicy, {name: f"retry_{name}" for name in RetryPolicy.__struct_fields__})


class HealthPolicyFields(models.Model):
    """Active health checks."""

    health_enabled = models.BooleanField(
        "health checks",
        default=True,
        help_text="Probe the backends. When off, every backend counts as healthy.",
    )
    health_path = RequestTargetField(
        max_length=500,
        default="/",
        help_text="Path that each probe requests with GET, for example /healthz.",
    )
    health_expected_status = StatusRangesField(
        max_length=100,
        default="200-399",
        help_text="Statuses that pass: numbers and ranges, for example 200-299,304.",
    )
    health_interval = _seconds(2.0, 0.1, 3600, "Seconds between two probes of a backend.")
    health_timeout = _seconds(
        2.0, 0.05, 3600, "Seconds until a probe counts as failed; at most the interval."
    )
    health_rise = _count(2, 1, 100, "Passes in a row until an unhealthy backend is healthy again.")
    health_fall = _count(3, 1, 100, "Failures in a row until a healthy backend is unhealthy.")

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_health",
                condition=Q(health_interval__gte=0.1, health_interval__lte=3600)
                & Q(health_timeout__gte=0.05, health_timeout__lte=F("health_interval"))
                & Q(health_rise__gte=1, health_rise__lte=100)
                & Q(health_fall__gte=1, health_fall__lte=100)
                & Q(health_path__startswith="/")
                & ~Q(health_expected_status=""),
                violation_error_message="The health policy is out of range.",
            )
        ]

    def clean(self) -> None:
        super().clean()
        timeout, interval = self.health_timeout, self.health_interval
        # Called for values that failed their own check, too.
        if isinstance(timeout, float) and isinstance(interval, float) and timeout > interval:
            raise ValidationError(
                {
                    "health_timeout": f"Must not be longer than the interval "
                    f"({interval:g} s): shorten it, or probe less often."
                }
            )


class TimeoutPolicyFields(models.Model):
    """How long the edge waits for a backend."""

    connect_timeout = _seconds(
        5.0, 0.05, 300, "Seconds to wait for a connection before another backend is tried."
    )
    response_timeout = _seconds(
        60.0, 0.05, 86400, "Seconds to wait for the head of a response; then 504."
    )
    idle_timeout = _seconds(
        60.0, 0.05, 86400, "Seconds without a byte in either direction until a request is given up."
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_timeouts",
                condition=Q(connect_timeout__gte=0.05, connect_timeout__lte=300)
                & Q(response_timeout__gte=0.05, response_timeout__lte=86400)
                & Q(idle_timeout__gte=0.05, idle_timeout__lte=86400),
                violation_error_message="A timeout is out of range.",
            )
        ]


class RetryPolicyFields(models.Model):
    """Trying another backend when one fails."""

    retry_attempts = _count(
        3, 1, 10, "Tries of one request in all, the first included; 1 turns retries off."
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_retry",
                condition=Q(retry_attempts__gte=1, retry_attempts__lte=10),
                violation_error_message="The number of attempts is out of range.",
            )
        ]
