"""Who is left alone for a while for answering worse than the others."""

from django.db import models
from django.db.models import F, Q

from pool.policies.base import PolicyGroup, columns_named, count, number, refuse_less, seconds
from pool.snapshot import OutlierPolicy


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
    outlier_success_deviations = number(
        1.9,
        0,
        10,
        "Standard deviations below the mean success rate that eject a backend; 0: none does.",
    )
    outlier_probes_return = models.BooleanField(
        "probes end ejections",
        default=True,
        help_text="A probe that passes ends an ejection before its time. Off: what fails clients "
        "and passes probes stays out for as long as it should. Default: on.",
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        refuse_less(self, "outlier_max_time", than="outlier_base_time")


OUTLIER = PolicyGroup(
    OutlierPolicy,
    OutlierPolicyFields,
    columns_named("outlier_{}", OutlierPolicy),
    Q(outlier_max_time__gte=F("outlier_base_time")),
)
