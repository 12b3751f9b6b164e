"""What operators edit: pools, their backends, and the routes to them."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction
from django.db.models import Q

from pool import addresses, header_rules
from pool.actor import Actor, acting_as
from pool.bus import FailoverState
from pool.choices import DEFAULT_ALGORITHM, AdminState, EventKind, Severity, choices_of
from pool.connection import redis_client
from pool.failover import decide
from pool.failover.decide import Move, Refused
from pool.failover.store import FailoverStore, replacement
from pool.fields import HostField, JSONObjectField, OriginField, PathPrefixField
from pool.models.base import ConfigurationModel
from pool.models.constraints import UniqueWithin
from pool.models.history import Event
from pool.policies import (
    POOL_GROUPS,
    RATE_LIMIT,
    HeaderRulesFields,
    PoolPolicies,
    RateLimitFields,
)
from pool.policies.balancing import algorithm_choices
from pool.policies.health import HEALTH_OVERRIDES, HealthOverrideFields
from pool.snapshot import BackendSpec, PoolSpec, RouteSpec


class Pool(PoolPolicies, ConfigurationModel):
    """Backends that serve the same thing, and the policy over them."""

    name = models.SlugField(
        max_length=100,
        unique=True,
        help_text="Letters, digits, hyphens and underscores; used in URLs.",
        error_messages={"unique": "Another pool has this name; choose another one."},
    )
    algorithm = models.CharField(
        max_length=100,
        default=DEFAULT_ALGORITHM,
        choices=algorithm_choices,
        help_text="How a backend is chosen for each request.",
        error_messages={"invalid_choice": "%(value)r is not an installed algorithm."},
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            *PoolPolicies.Meta.constraints,
            models.CheckConstraint(name="pool_pool_name_given", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name

    def fail_over(self, to: int, by: Actor = None) -> None:
        """Send the traffic to tier `to`, and keep it there until somebody fails back.

        ValidationError if that cannot be done; RedisError while Redis is away.
        """
        self._steer(partial(decide.fail_over, to=to), by)

    def fail_back(self, by: Actor = None) -> None:
        """Let the traffic return to the lower tiers."""
        self._steer(decide.fail_back, by)

    def _steer(self, verb: Callable[..., tuple[FailoverState, Move]], by: Actor) -> None:
        """Told first, and undone if somebody else has moved the traffic in between."""
        spec = self.compile(row.compile() for row in self.backends.order_by("id"))
        store = FailoverStore(redis_client())
        done = False
        while not done:
            reading = store.read(spec)
            try:
                state, move = verb(spec, reading.state, reading.out, time.time())
            except Refused as error:
                raise ValidationError({"tier": str(error)}) from error
            with transaction.atomic(), acting_as(by):
                self.tell_of(move)
                done = store.replace(replacement(spec.id, reading.raw, state))
                if not done:
                    transaction.set_rollback(True)

    def tell_of(self, move: Move) -> None:
        """Write a move of its traffic on the timeline."""
        data = {"from": list(move.before), "to": list(move.after), "cause": move.cause}
        Event.objects.record(
            move.kind,
            f"Pool {self}: {move}",
            severity=Severity.WARNING if move.kind is EventKind.FAILOVER else Severity.INFO,
            pool=self,
            data=data | {"floor": move.floor, "manual": move.manual},
            at=datetime.fromtimestamp(move.at, UTC),
        )

    def compile(self, backends: Iterable[BackendSpec] = ()) -> PoolSpec:
        return PoolSpec(
            id=self.pk or 0,
            name=self.name,
            algorithm=self.algorithm,
            **{field: group.compile(self) for field, group in POOL_GROUPS.items()},
            backends=tuple(backends),
        )


class Backend(HealthOverrideFields, ConfigurationModel):
    """One origin server of a pool."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="backends")
    name = models.CharField(
        max_length=260,
        blank=True,
        validators=[
            RegexValidator(
                r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z",
                "Use letters, digits, dots, hyphens and underscores; start with a letter or digit.",
            )
        ],
        help_text="Unique within the pool; made from the URL when left empty.",
    )
    url = OriginField(
        "URL",
        max_length=300,
        help_text="scheme://host[:port] with http or https, for example http://10.0.0.5:8080; or "
        "unix:/run/app.sock for a socket on the edge's machine.",
    )
    weight = models.PositiveSmallIntegerField(
        default=1,
        validators=[MaxValueValidator(1000)],
        help_text="Share of the traffic relative to the pool's other backends, 0 to 1000; "
        "0 gets clients that stick to it and nobody else.",
    )
    tier = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(9)],
        help_text="0 is primary; 1 to 9 are backups, used when the tiers below cannot serve.",
    )
    max_connections = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(1_000_000)],
        help_text="Requests in flight at the same time, per edge machine; 0 is no limit.",
    )
    admin_state = models.CharField(
        max_length=20,
        default=AdminState.ACTIVE.value,
        choices=partial(choices_of, AdminState),
        help_text="Draining finishes what it has and keeps the clients that stick to it; "
        "maintenance gets nothing and is not probed.",
    )
    backup_of = models.ForeignKey(
        "self",
        # Else the stand-in of a deleted backend would begin to take traffic of its own.
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="stand_ins",
        help_text="Backend of this pool whose place and share this one takes while that one is "
        "out; it gets nothing otherwise.",
    )
    metadata = JSONObjectField(
        default=dict,
        blank=True,
        help_text='Notes of your own as a JSON object, such as {"rack": "b2"}.',
    )

    class Meta:
        ordering = ["pool", "name"]
        constraints = [
            UniqueWithin(
                fields=["pool", "name"],
                name="pool_backend_unique_name",
                violation_error_message="Another backend of this pool has this name; "
                "choose another one.",
            ),
            models.CheckConstraint(
                name="pool_backend_numbers",
                condition=Q(weight__lte=1000, tier__lte=9, max_connections__lte=1_000_000),
                violation_error_message="weight, tier or max_connections is out of range.",
            ),
            models.CheckConstraint(
                name="pool_backend_texts",
                condition=(
                    Q(url__startswith="http://")
                    | Q(url__startswith="https://")
                    | Q(url__startswith="unix:/")
                )
                & Q(admin_state__in=[state.value for state in AdminState])
                & ~Q(name=""),
                violation_error_message="url, admin_state or name is not valid.",
            ),
            *HEALTH_OVERRIDES.constraints("health"),
        ]

    def __str__(self) -> str:
        return f"{self.pool.name}/{self.name}"

    @staticmethod
    def name_from_url(url: str) -> str:
        """The name that a backend with this URL gets when it is given none; "" if `url` is bad."""
        try:
            return addresses.short_name(addresses.normalise_origin(url))
        except ValueError:
            return ""

    def clean(self) -> None:
        super().clean()
        if not self.name:
            self.name = self.name_from_url(self.url or "")
        if self.backup_of is not None:
            self._check_backup_of(self.backup_of)

    def _check_backup_of(self, primary: "Backend") -> None:
        if primary.pool_id != self.pool_id:
            problem = f"{primary.name} is in another pool; choose a backend of this one."
        elif primary.pk == self.pk:
            problem = "A backend cannot stand in for itself."
        elif primary.backup_of_id is not None:
            problem = f"{primary.name} is a stand-in itself; choose the backend it stands in for."
        elif self.pk and self.stand_ins.exists():
            problem = f"{self.name} has a stand-in of its own, so that it cannot be one."
        else:
            return
        raise ValidationError({"backup_of": problem})

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        with transaction.atomic():
            before = self._stored_admin_state()
            super().save(*args, update_fields=update_fields, **kwargs)
            written = update_fields is None or "admin_state" in update_fields
            if written and before is not None and before != self.admin_state:
                self._record_admin_state(before)

    def compile(self) -> BackendSpec:
        return BackendSpec(
            id=self.pk or 0,
            name=self.name,
            url=self.url,
            weight=self.weight,
            tier=self.tier,
            max_connections=self.max_connections,
            admin_state=AdminState(self.admin_state),
            backup_of=self.backup_of_id or 0,
            health=HEALTH_OVERRIDES.compile(self),
            metadata=self.metadata,
        )

    def drain(self, by: Actor = None) -> None:
        """Finish what is in progress, take nothing new."""
        self._change_admin_state(AdminState.DRAINING, by)

    def enable(self, by: Actor = None) -> None:
        """Take traffic again."""
        self._change_admin_state(AdminState.ACTIVE, by)

    def maintain(self, by: Actor = None) -> None:
        """Take no traffic and no probes."""
        self._change_admin_state(AdminState.MAINTENANCE, by)

    def _change_admin_state(self, state: AdminState, by: Actor) -> None:
        self.admin_state = state.value
        with acting_as(by):
            self.save(update_fields=["admin_state"])

    def _stored_admin_state(self) -> str | None:
        """Locked, so that of two changes at once each is told against the one before it."""
        stored = Backend.objects.select_for_update(of=("self",)).filter(pk=self.pk)
        return stored.values_list("admin_state", flat=True).order_by().first()

    def _record_admin_state(self, before: str) -> None:
        Event.objects.record(
            EventKind.ADMIN_STATE_CHANGED,
            f"Backend {self}: {before} → {self.admin_state}",
            backend=self,
            data={"from": before, "to": str(self.admin_state)},
        )


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
