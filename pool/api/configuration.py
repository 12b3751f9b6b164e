"""Pools, backends and routes, with how they are now; and what is ordered of them."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from pool.api.fields import NamedChoiceField, NamedRelation
from pool.api.health import PoolHealthSerializer
from pool.api.live import (
    CircuitSerializer,
    EjectionSerializer,
    LiveHealthSerializer,
    TrafficSerializer,
)
from pool.api.saving import SavingSerializer
from pool.api.strict import KnownFields
from pool.circuits.live import count_calls
from pool.failover.live import LiveTraffic
from pool.history.pools import pool_health
from pool.models import Backend, Pool, Route
from pool.policies import POOL_GROUPS, RATE_LIMIT
from pool.policies.health import HEALTH_OVERRIDES

_ALWAYS = ["id", "created_at", "updated_at"]


class _PrimaryField(NamedRelation):
    """A backend of the same pool."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "This pool has no backend named {value}."
    }

    def get_queryset(self) -> models.QuerySet[Backend]:
        pool_name = self.context["view"].kwargs.get("pool_name")
        return Backend.objects.filter(pool__name=pool_name)


class BackendSerializer(SavingSerializer):
    pool: "serializers.SlugRelatedField[Pool]" = serializers.SlugRelatedField(
        slug_field="name", read_only=True
    )
    backup_of = _PrimaryField(
        queryset=Backend.objects.none(),
        required=False,
        allow_null=True,
        help_text="Name of the backend of this pool that it stands in for.",
    )
    health = serializers.SerializerMethodField(help_text="What the probes say now.")
    circuit = serializers.SerializerMethodField(
        help_text="Its circuit breaker; null if that is off in the pool, or Redis is away."
    )
    ejection = serializers.SerializerMethodField(
        help_text="Why it is left alone as an outlier; null if it is not, or Redis is away."
    )

    class Meta:
        model = Backend
        fields = [
            *_ALWAYS,
            "pool",
            "name",
            "url",
            "weight",
            "tier",
            "max_connections",
            "admin_state",
            "backup_of",
            "metadata",
            *HEALTH_OVERRIDES.columns.values(),
            "health",
            "circuit",
            "ejection",
        ]

    @extend_schema_field(LiveHealthSerializer)
    def get_health(self, backend: Backend) -> dict[str, Any]:
        live: LiveTraffic = self.context["live"]
        status = live.health.of(backend.pk)
        return {
            "state": status.state.value,
            "since": _time(status.since),
            "reason": status.reason,
        }

    @extend_schema_field(CircuitSerializer(allow_null=True))
    def get_circuit(self, backend: Backend) -> dict[str, Any] | None:
        live: LiveTraffic = self.context["live"]
        circuit = live.circuits.of(backend)
        if circuit is None:
            return None
        calls, bad = count_calls(circuit)
        return {
            "state": circuit.state.value,
            "since": _time(circuit.since),
            "until": _time(circuit.until),
            "cause": circuit.cause,
            "failures": circuit.failures,
            "successes": circuit.successes,
            "calls": calls,
            "bad": bad,
        }

    @extend_schema_field(EjectionSerializer(allow_null=True))
    def get_ejection(self, backend: Backend) -> dict[str, Any] | None:
        live: LiveTraffic = self.context["live"]
        ejection = live.ejections.of(backend)
        if ejection is None:
            return None
        return {
            "since": _time(ejection.since),
            "until": _time(ejection.until),
            "times": ejection.times,
            "cause": ejection.cause,
        }


class _Withheld(serializers.ReadOnlyField):
    def get_attribute(self, instance: Any) -> None:
        return None


class PoolSerializer(SavingSerializer):
    backends = BackendSerializer(
        many=True,
        read_only=True,
        allow_null=True,
        help_text="Null for who may not view backends.",
    )
    traffic = serializers.SerializerMethodField(
        help_text="Where the traffic goes now; null while Redis cannot say."
    )

    outlook = serializers.SerializerMethodField(
        help_text="How many backends are left, and what one more loss brings."
    )

    class Meta:
        model = Pool
        fields = [
            *_ALWAYS,
            "name",
            "algorithm",
            *(column for group in POOL_GROUPS.values() for column in group.columns.values()),
            "traffic",
            "outlook",
            "backends",
        ]

    def get_fields(self) -> dict[str, Any]:
        """In the place of backends nothing is read for who may not view them."""
        fields = super().get_fields()
        request = self.context.get("request")
        if request is not None and not request.user.has_perm("pool.view_backend"):
            fields["backends"] = _Withheld(read_only=True)
        return fields

    @extend_schema_field(TrafficSerializer(allow_null=True))
    def get_traffic(self, pool: Pool) -> Any:
        live: LiveTraffic = self.context["live"]
        return None if live.error else TrafficSerializer(live.of(pool)).data

    @extend_schema_field(PoolHealthSerializer)
    def get_outlook(self, pool: Pool) -> Any:
        return PoolHealthSerializer(pool_health(pool, self.context["live"])).data


class RouteSerializer(SavingSerializer):
    pool = NamedRelation(queryset=Pool.objects.all(), help_text="Name of the pool.")

    class Meta:
        model = Route
        fields = [
            *_ALWAYS,
            "host",
            "path_prefix",
            "strip_prefix",
            "priority",
            "pool",
            *RATE_LIMIT.columns.values(),
            "request_headers",
            "response_headers",
        ]
        validators: list[Any] = []  # the model's constraint speaks of normalised values


class CircuitOrderSerializer(KnownFields):
    action = NamedChoiceField(choices=["reset", "open", "release"])


class FailoverSerializer(KnownFields):
    tier = serializers.IntegerField(min_value=0, max_value=9, help_text="Where traffic is to go.")


def _time(seconds: float) -> datetime | None:
    """None for 0, which stands for no time."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
