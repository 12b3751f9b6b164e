"""A pool: its policies, and moving its traffic between tiers by hand."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q

from pool.actor import Actor, acting_as
from pool.bus import FailoverState
from pool.choices import DEFAULT_ALGORITHM, EventKind, Severity
from pool.connection import redis_client
from pool.failover import decide
from pool.failover.decide import Move, Refused
from pool.failover.store import FailoverStore, replacement
from pool.models.base import ConfigurationModel
from pool.models.history import Event
from pool.policies import POOL_GROUPS, PoolPolicies
from pool.policies.balancing import algorithm_choices
from pool.snapshot import BackendSpec, PoolSpec


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
