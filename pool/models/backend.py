"""A backend of a pool, and what an operator wants of it."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models, transaction
from django.db.models import Q

from pool import addresses
from pool.actor import Actor, acting_as
from pool.choices import AdminState, EventKind, choices_of
from pool.fields import JSONObjectField, OriginField
from pool.models.base import ConfigurationModel
from pool.models.constraints import UniqueWithin
from pool.models.history import Event
from pool.models.pool import Pool
from pool.policies.health import HEALTH_OVERRIDES, HealthOverrideFields
from pool.snapshot import BackendSpec


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
