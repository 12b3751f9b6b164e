"""When a backend that fails is left alone for a while."""

from functools import partial

from django.db import models
from django.db.models import F, Q

from pool.choices import CircuitMode, choices_of
from pool.fields import StatusRangesField
from pool.policies.base import PolicyGroup, columns_named, count, refuse_less, seconds
from pool.snapshot import CircuitPolicy


class CircuitPolicyFields(models.Model):
    """The circuit breaker of each backend."""

    circuit_mode = models.CharField(
        "circuit breaker",
        max_length=20,
        default=CircuitMode.CONSECUTIVE.value,
        choices=partial(choices_of, CircuitMode),
        help_text="Consecutive: opens after so many failures in a row. Failure ratio, slow ratio: "
        "when a share of the last calls has failed, or was slow. Default: consecutive.",
    )
    circuit_threshold = count(5, 1, 1000, "Consecutive: failures in a row that open a circuit.")
    circuit_ratio = count(50, 1, 100, "Ratios: percent of the calls that open a circuit.")
    circuit_window = seconds(10.0, 1, 600, "Ratios: seconds over which calls are looked at.")
    circuit_minimum_calls = count(
        100, 1, 10_000, "Ratios: calls in that time without which nothing is concluded."
    )
    circuit_slow_call = seconds(5.0, 0.001, 3600, "Slow ratio: a call that takes longer is slow.")
    circuit_statuses = StatusRangesField(
        max_length=100,
        default="500,502-504",
        help_text="Statuses that count as failures, as do connections that fail and responses that "
        "do not come: numbers and ranges, for example 429,500-599. Default: 500,502-504.",
    )
    circuit_open_time = seconds(
        30.0, 0.1, 3600, "Seconds until an open circuit is tried again; doubles each time it fails."
    )
    circuit_max_open_time = seconds(300.0, 0.1, 86400, "The most that it grows to, in seconds.")
    circuit_permits = count(10, 1, 1000, "Calls that may try a half-open circuit at once.")
    circuit_successes = count(3, 1, 1000, "Successes in a row that close a half-open circuit.")
    circuit_max_open = count(
        50, 0, 100, "Percent of the pool whose circuits may be open at once, rounded up."
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        refuse_less(self, "circuit_max_open_time", than="circuit_open_time")


CIRCUIT = PolicyGroup(
    CircuitPolicy,
    CircuitPolicyFields,
    columns_named("circuit_{}", CircuitPolicy),
    Q(circuit_max_open_time__gte=F("circuit_open_time")) & ~Q(circuit_statuses=""),
)
