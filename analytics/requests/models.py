"""Single requests: the newest ones, and those in which something went wrong."""

from django.db import models


class RequestRecord(models.Model):
    """One request as its edge has noted it. Times in microseconds; null: it never came to that.

    No foreign keys: what was deleted or renamed stays here as it was.
    """

    key = models.BigIntegerField(primary_key=True, editable=False)
    at = models.DateTimeField(help_text="When the request's head was there.")
    request_id = models.CharField("request ID", max_length=260)
    notable = models.BooleanField(
        "something went wrong", help_text="Even if the client was answered well in the end."
    )
    client = models.CharField(max_length=260, blank=True)
    method = models.CharField(max_length=260, blank=True)
    host = models.CharField(max_length=260, blank=True)
    path = models.CharField(
        max_length=1024, blank=True, help_text="Without the query, which may hold secrets."
    )
    route_id = models.BigIntegerField("route", help_text="0: no route matched.")
    pool_id = models.BigIntegerField("pool's number")
    pool = models.CharField(max_length=260, blank=True)
    backend_id = models.BigIntegerField(
        "backend's number", help_text="Of the last try; 0: no backend was reached."
    )
    backend = models.CharField(max_length=260, blank=True)
    status = models.PositiveSmallIntegerField(help_text="499: the client went away first.")
    cause = models.CharField(max_length=260, help_text="Why it has ended.")
    attempts = models.PositiveIntegerField("tries")
    bytes_in = models.BigIntegerField()
    bytes_out = models.BigIntegerField()
    queue = models.BigIntegerField(null=True, help_text="Until the first try began.")
    retries = models.BigIntegerField(null=True, help_text="Lost with tries before the last one.")
    connect = models.BigIntegerField(
        null=True, help_text="Of the last try, until it was connected and sent."
    )
    first_byte = models.BigIntegerField(
        null=True, help_text="Of the last try, from then until its response's head was there."
    )
    total = models.BigIntegerField()
    snapshot = models.BigIntegerField(help_text="Number of the configuration; 0: none was asked.")

    class Meta:
        verbose_name = "request"
        ordering = ["-at", "-key"]
        indexes = [
            models.Index(fields=["at", "key"], name="analytics_request_at"),
            models.Index(fields=["request_id"], name="analytics_request_id"),
            models.Index(fields=["notable", "at"], name="analytics_request_notable"),
            models.Index(fields=["pool", "at"], name="analytics_request_pool"),
            models.Index(fields=["backend", "at"], name="analytics_request_backend"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path}".strip() or self.request_id


class RequestsLeftOut(models.Model):
    """Notable requests of which there were too many at once for an edge to note each."""

    batch = models.BigIntegerField()
    at = models.DateTimeField(db_index=True)
    pool = models.CharField(max_length=260, blank=True, help_text="Empty: no route matched.")
    count = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "requests left out"
        constraints = [
            models.UniqueConstraint(fields=["batch", "pool"], name="analytics_left_out_unique")
        ]

    def __str__(self) -> str:
        return f"{self.pool} {self.count}"
