"""Active health checks."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from pool.fields import RequestTargetField, StatusRangesField
from pool.policies.base import PolicyGroup, count, seconds
from pool.snapshot import HealthPolicy

HEALTH = PolicyGroup(
    HealthPolicy, {name: f"health_{name}" for name in HealthPolicy.__struct_fields__}
)


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
    health_interval = seconds(2.0, 0.1, 3600, "Seconds between two probes of a backend.")
    health_timeout = seconds(
        2.0, 0.05, 3600, "Seconds until a probe counts as failed; at most the interval."
    )
    health_rise = count(2, 1, 100, "Passes in a row until an unhealthy backend is healthy again.")
    health_fall = count(3, 1, 100, "Failures in a row until a healthy backend is unhealthy.")

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
