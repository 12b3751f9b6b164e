"""A route to a pool."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from pool import header_rules
from pool.fields import HostField, PathPrefixField
from pool.models.base import ConfigurationModel
from pool.models.constraints import UniqueWithin
from pool.models.pool import Pool
from pool.policies import RATE_LIMIT, HeaderRulesFields, RateLimitFields
from pool.snapshot import RouteSpec


class Route(RateLimitFields, HeaderRulesFields, ConfigurationModel):
    """Which requests go to which pool."""

    host = HostField(
        max_length=255,
        blank=True,
        default="",
        help_text='Exact name, "*.example.com" for every name below it, or empty for any host.',
    )
    path_prefix = PathPrefixField(
        max_length=500,
        default="/",
        help_text='Whole segments: "/api" matches "/api" and "/api/x", not "/apix".',
    )
    strip_prefix = models.BooleanField(
        default=False, help_text="Remove the prefix before the request goes to the backend."
    )
    priority = models.IntegerField(
        default=0,
        validators=[MinValueValidator(-1000), MaxValueValidator(1000)],
        help_text="The highest matching priority wins, -1000 to 1000; among equals the more "
        "specific host, then the longer prefix.",
    )
    pool = models.ForeignKey(
        Pool,
        # Not CASCADE: traffic would silently fall through to a less specific route.
        on_delete=models.PROTECT,
        related_name="routes",
        help_text="Pool that serves these requests.",
    )

    class Meta:
        ordering = ["-priority", "host", "path_prefix"]
        constraints = [
            *RATE_LIMIT.constraints("rate"),
            UniqueWithin(
                fields=["host", "path_prefix"],
                name="pool_route_unique_match",
                violation_error_message="Another route has this host and path prefix; "
                "edit that one, or choose another prefix.",
            ),
            models.CheckConstraint(
                name="pool_route_ranges",
                condition=Q(path_prefix__startswith="/", priority__gte=-1000, priority__lte=1000),
                violation_error_message="path_prefix or priority is out of range.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.host or '*'}{self.path_prefix}"

    def compile(self) -> RouteSpec:
        return RouteSpec(
            id=self.pk or 0,
            pool_id=self.pool_id,
            host=self.host,
            path_prefix=self.path_prefix,
            strip_prefix=self.strip_prefix,
            priority=self.priority,
            rate_limit=RATE_LIMIT.compile(self),
            request_rules=header_rules.from_stored(self.request_headers),
            response_rules=header_rules.from_stored(self.response_headers),
        )
