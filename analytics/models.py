"""Traffic, added up: what the reports read."""

from typing import Any

from django.db import models

from analytics.levels import STEPS
from analytics.requests.models import RequestRecord as RequestRecord
from analytics.requests.models import RequestsLeftOut as RequestsLeftOut


class TrafficSeries(models.Model):
    """One backend's part of one route's traffic.

    No foreign keys: what was deleted or renamed stays in the reports as it was.
    """

    route_id = models.BigIntegerField("route", help_text="0: no route matched.")
    pool_id = models.BigIntegerField("pool's number")
    pool = models.CharField(max_length=260, blank=True)
    backend_id = models.BigIntegerField(
        "backend's number", help_text="0: answered by the edge itself."
    )
    backend = models.CharField(max_length=260, blank=True)

    class Meta:
        verbose_name_plural = "traffic series"
        constraints = [
            models.UniqueConstraint(
                fields=["route_id", "pool_id", "pool", "backend_id", "backend"],
                name="analytics_series_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.pool}/{self.backend}" if self.backend_id else f"{self.pool}/(edge)"


class PoolSeries(models.Model):
    """One pool's part of one route's traffic: what its backends got, or what they did not."""

    route_id = models.BigIntegerField("route", help_text="0: no route matched.")
    pool_id = models.BigIntegerField("pool's number")
    pool = models.CharField(max_length=260, blank=True)
    reached = models.BooleanField(help_text="A backend; if not, the edge answered itself.")

    class Meta:
        verbose_name_plural = "series of pools"
        constraints = [
            models.UniqueConstraint(
                fields=["route_id", "pool_id", "pool", "reached"],
                name="analytics_pool_series_unique",
            )
        ]

    def __str__(self) -> str:
        return self.pool if self.reached else f"{self.pool}/(edge)"


def _times() -> tuple[
    "models.BigIntegerField[int, int]",
    "models.BigIntegerField[int, int]",
    "models.BigIntegerField[int, int]",
    models.BinaryField,
]:
    """The columns sum, min, max and histogram of one kind of times."""
    return (
        models.BigIntegerField(default=0),
        models.BigIntegerField(default=0, help_text="0: not known."),
        models.BigIntegerField(default=0, help_text="0: not known."),
        models.BinaryField(default=b"", help_text="As analytics.histograms packs it."),
    )


class Rollup(models.Model):
    """The counts of one series in one bucket of time. Times in microseconds."""

    series: Any  # of a subclass: what the counts are of

    step = models.PositiveIntegerField(
        choices=[(step, f"{step} s") for step in STEPS], help_text="Width of the bucket in seconds."
    )
    at = models.DateTimeField(help_text="Start of the bucket.")
    requests = models.BigIntegerField(default=0)
    status_1xx = models.BigIntegerField(default=0)
    status_2xx = models.BigIntegerField(default=0)
    status_3xx = models.BigIntegerField(default=0)
    status_4xx = models.BigIntegerField(default=0)
    status_5xx = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(
        default=0, help_text="Tries in which the backend gave no usable response."
    )
    connect_errors = models.BigIntegerField(
        default=0, help_text="Those of the errors in which there was no connection."
    )
    timeouts = models.BigIntegerField(
        default=0, help_text="Those of the errors in which no response began in time."
    )
    cuts = models.BigIntegerField(
        default=0, help_text="Those of the errors in which the response broke off."
    )
    retries = models.BigIntegerField(
        default=0, help_text="Requests that came here after another backend failed."
    )
    hedges = models.BigIntegerField(
        default=0, help_text="Requests that came here because another backend was slow."
    )
    client_aborts = models.BigIntegerField(
        default=0, help_text="Requests whose client went away before the answer."
    )
    rejected_rate_limit = models.BigIntegerField(default=0)
    rejected_queue = models.BigIntegerField(default=0)
    rejected_no_backend = models.BigIntegerField(default=0)
    bytes_in = models.BigIntegerField(default=0)
    bytes_out = models.BigIntegerField(default=0)
    in_flight_peak = models.BigIntegerField(
        default=0, help_text="The most that one worker had under way at once."
    )
    queue_sum, queue_min, queue_max, queue_histogram = _times()
    connect_sum, connect_min, connect_max, connect_histogram = _times()
    first_byte_sum, first_byte_min, first_byte_max, first_byte_histogram = _times()
    total_sum, total_min, total_max, total_histogram = _times()

    class Meta:
        abstract = True
        ordering = ["-at", "step"]

    def __str__(self) -> str:
        return f"{self.series} {self.at:%Y-%m-%d %H:%M:%S} +{self.step} s"


class TrafficRollup(Rollup):
    series = models.ForeignKey(
        TrafficSeries,
        on_delete=models.PROTECT,
        related_name="rollups",
        db_index=False,  # an index that begins with it is below
    )

    class Meta(Rollup.Meta):
        constraints = [
            # In the order in which reports on everything and pruning look rows up.
            models.UniqueConstraint(fields=["step", "at", "series"], name="analytics_rollup_unique")
        ]
        indexes = [
            # And those on a pool or a backend.
            models.Index(fields=["series", "step", "at"], name="analytics_rollup_of_series")
        ]


class PoolRollup(Rollup):
    """The same traffic again, added up: in a table of its own, so that nothing sums up both.

    What tells of whole pools reads a row where a thousand backends have as many.
    """

    series = models.ForeignKey(
        PoolSeries, on_delete=models.PROTECT, related_name="rollups", db_index=False
    )

    class Meta(Rollup.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["step", "at", "series"], name="analytics_pool_rollup_unique"
            )
        ]
        indexes = [
            models.Index(fields=["series", "step", "at"], name="analytics_pool_rollup_series")
        ]


class CountedBatch(models.Model):
    """A batch that the rollups contain. Written in one transaction with them."""

    source = models.CharField(max_length=260)
    seq = models.BigIntegerField()
    counted_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "counted batches"
        constraints = [
            models.UniqueConstraint(fields=["source", "seq"], name="analytics_batch_unique")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.seq}"
