"""How much is let through: of a pool, and of a route."""

from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from pool.choices import RateScope, choices_of
from pool.fields import HashKeyField
from pool.policies.base import PolicyGroup, columns_named, count, seconds
from pool.snapshot import LimitPolicy, RateLimitPolicy

MAX_BODY = 2**40  # bytes; a larger one is no limit but a typing error
MAX_IN_FLIGHT = 1_000_000
MAX_REQUESTS = 1_000_000
MAX_PERIOD = 86400


class LimitPolicyFields(models.Model):
    """What the edge refuses to forward, or lets wait."""

    max_body = models.PositiveBigIntegerField(
        "max. request body",
        default=0,
        validators=[MaxValueValidator(MAX_BODY)],
        help_text="Bytes of a request's body, up to 1 TiB; a larger one is answered with 413. "
        "1 MiB is 1048576; 0 is no limit. Default: 0.",
    )
    max_in_flight = models.PositiveIntegerField(
        "max. in flight",
        default=0,
        validators=[MaxValueValidator(MAX_IN_FLIGHT)],
        help_text="Requests that the whole pool has at the same time, per edge machine; 0 is no "
        "limit. Default: 0.",
    )
    max_queue = count(
        100,
        0,
        10_000,
        "Requests that wait in each worker while all backends are full; the next one is answered "
        "with 503. 0: none waits.",
    )
    queue_timeout = seconds(5.0, 0.05, 3600, "Seconds that a request waits there; then 503.")

    class Meta:
        abstract = True


class RateLimitFields(models.Model):
    """How many requests a route takes."""

    rate_requests = models.PositiveIntegerField(
        "requests",
        default=0,
        validators=[MaxValueValidator(MAX_REQUESTS)],
        help_text="Requests in each period; more are answered with 429. 0 is no limit. Default: 0.",
    )
    rate_period = seconds(1.0, 0.1, MAX_PERIOD, "Seconds in which so many requests may come.")
    rate_burst = models.PositiveIntegerField(
        "at once",
        default=0,
        validators=[MaxValueValidator(MAX_REQUESTS)],
        help_text="Of these, how many may come at once after a pause; 0 is all of them. "
        "Default: 0.",
    )
    rate_key = HashKeyField(
        "counted by",
        max_length=120,
        default="",
        blank=True,
        help_text="Whom the limit is for: client_ip, path, header:NAME, cookie:NAME or query:NAME; "
        "requests that lack it count together. Empty is the whole route. Default: the route.",
    )
    rate_scope = models.CharField(
        "counted among",
        max_length=10,
        default=RateScope.LOCAL.value,
        choices=partial(choices_of, RateScope),
        help_text="Local: the workers of each edge machine. Shared: all edges, through Redis; "
        "while that is away, as local. Default: local.",
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        burst: Any = self.rate_burst
        if isinstance(burst, int) and burst and not self.rate_requests:
            raise ValidationError({"rate_burst": "Give rate_requests as well, or 0 here."})


LIMITS = PolicyGroup(LimitPolicy, LimitPolicyFields, columns_named("{}", LimitPolicy))
RATE_LIMIT = PolicyGroup(
    RateLimitPolicy,
    RateLimitFields,
    columns_named("rate_{}", RateLimitPolicy),
    Q(rate_scope__in=[scope.value for scope in RateScope]),
)
