"""Who is left alone for a while for answering worse than the others."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from pool.policies.base import PolicyGroup, count, seconds
from pool.snapshot import OutlierPolicy

OUTLIER = PolicyGroup(
    OutlierPolicy, {name: f"outlier_{name}" for name in OutlierPolicy.__struct_fields__}
)


class OutlierPolicyFields(models.Model):
    """Passive checks: by what the backends answer to the traffic."""

    # Circuits, which are on, already act on failures in a row. What this adds is the
    # comparison of backends, which needs several of them with traffic: a choice to be made.
    outlier_enabled = models.BooleanField(
        "outlier detection",
        default=False,
        help_text="Eject backends that answer worse than they should, for a while. Circuit "
        "breakers act on failures in a row as well; this compares success rates too, and its "
        "backends return without a trial. Default: off.",
    )
    outlier_consecutive_5xx = count(
        5, 0, 1000, "Failures in a row, statuses 500-599 or no response; 0: whatever fails."
    )
    outlier_consecutive_gateway = count(
        5, 0, 1000, "Of these, 502, 503, 504 or no response in a row; 0: whatever fails."
    )
    outlier_interval = seconds(
        10.0, 0.1, 3600, "Seconds after each of which success rates are compared."
    )
    outlier_base_time = seconds(
        30.0, 0.1, 3600, "Seconds that the first ejection lasts; the second in a row twice that."
    )
    outlier_max_time = seconds(300.0, 0.1, 86400, "The most that it grows to, in seconds.")
    outlier_max_ejected = count(
        10, 0, 100, "Percent of the pool that may be ejected at once, rounded down: 10 % of 3 is 0."
    )
    outlier_success_hosts = count(
        5, 2, 1000, "Backends with enough requests without which no rates are compared."
    )
    outlier_success_requests = count(
        100, 1, 10_000, "Requests of a worker in an interval that are enough."
    )
    outlier_success_deviations = models.FloatField(
        default=1.9,
        help_text="Standard deviations below the mean success rate that eject a backend; 0: none "
        "does. Default: 1.9.",
    )
    outlier_probes_return = models.BooleanField(
        "probes end ejections",
        default=True,
        help_text="A probe that passes ends an ejection before its time. Off: what fails clients "
        "and passes probes stays out for as long as it should. Default: on.",
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_outlier",
                condition=Q(outlier_consecutive_5xx__lte=1000)
                & Q(outlier_consecutive_gateway__lte=1000)
                & Q(outlier_interval__gte=0.1, outlier_interval__lte=3600)
                & Q(outlier_base_time__gte=0.1, outlier_base_time__lte=3600)
                & Q(outlier_max_time__lte=86400)
                & Q(outlier_max_time__gte=F("outlier_base_time"))
                & Q(outlier_max_ejected__lte=100)
                & Q(outlier_success_hosts__gte=2, outlier_success_hosts__lte=1000)
                & Q(outlier_success_requests__gte=1, outlier_success_requests__lte=10_000)
                & Q(outlier_success_deviations__gte=0, outlier_success_deviations__lte=10),
                violation_error_message="The outlier policy is out of range.",
            )
        ]

    def clean(self) -> None:
        super().clean()
        deviations: Any = self.outlier_success_deviations
        if isinstance(deviations, float) and not 0 <= deviations <= 10:
            raise ValidationError(
                {"outlier_success_deviations": "Give a number from 0 to 10, for example 1.9."}
            )
        first: Any = self.outlier_base_time
        most: Any = self.outlier_max_time
        if isinstance(first, float) and isinstance(most, float) and most < first:
            raise ValidationError(
                {"outlier_max_time": f"Give at least outlier_base_time ({first:g} s)."}
            )
