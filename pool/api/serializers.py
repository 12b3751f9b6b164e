"""The shapes of requests and answers. The rules are the models'."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from pool.api.errors import model_errors_as_answers
from pool.api.fields import NamedChoiceField
from pool.api.health import PoolHealthSerializer
from pool.choices import CircuitState, HeaderAction, HealthState
from pool.circuits.live import LiveCircuits, count_calls
from pool.edges import Edge
from pool.failover.live import LiveTraffic, Traffic
from pool.fields import HeaderRulesField, NormalisedCharField
from pool.history.pools import pool_health
from pool.live import LiveHealth
from pool.models import Backend, Event, HealthRecord, Pool, Revision, Route
from pool.outliers.live import LiveEjections
from pool.policies import POOL_GROUPS, RATE_LIMIT
from pool.policies.health import HEALTH_OVERRIDES
from pool.tiers import Share

_ALWAYS = ["id", "created_at", "updated_at"]


class HeaderRuleSerializer(serializers.Serializer):
    """Describes one rule; the model's field checks it."""

    action = serializers.ChoiceField(choices=[action.value for action in HeaderAction])
    name = serializers.CharField()
    value = serializers.CharField(required=False, help_text="Not with remove.")


@extend_schema_field(HeaderRuleSerializer(many=True))
class HeaderRulesSerializerField(serializers.JSONField):
    """A list of rules, passed on as it came."""


class _ConfigurationSerializer(serializers.ModelSerializer):
    """Saves through the model, whose refusals it gives back by field."""

    serializer_field_mapping: ClassVar[dict[type[models.Field], type[serializers.Field]]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        HeaderRulesField: HeaderRulesSerializerField,
    }
    serializer_choice_field = NamedChoiceField

    def build_standard_field(
        self, field_name: str, model_field: Any
    ) -> tuple[type[serializers.Field], dict[str, Any]]:
        """Told with what is wrong with the other fields, and not only once these are right."""
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        if isinstance(model_field, NormalisedCharField):
            kwargs["validators"] = [*kwargs.get("validators", ()), model_field.spelling]
        return field_class, kwargs

    def save(self, **kwargs: Any) -> Any:
        with model_errors_as_answers():
            return super().save(**kwargs)


class LiveHealthSerializer(serializers.Serializer):
    state = serializers.ChoiceField(choices=[state.value for state in HealthState])
    since = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()


class CircuitSerializer(serializers.Serializer):
    """Times are null where there is none. `failures` in a row; `bad` of `calls` in the window."""

    state = serializers.ChoiceField(choices=[state.value for state in CircuitState])
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True, help_text="When an open one is tried.")
    cause = serializers.CharField()
    failures = serializers.IntegerField()
    successes = serializers.IntegerField(help_text="In a row, while half open.")
    calls = serializers.IntegerField()
    bad = serializers.IntegerField(help_text="Calls that failed, or were slow.")


class EjectionSerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    times = serializers.IntegerField(help_text="How often in a row.")
    cause = serializers.CharField()


class CircuitOrderSerializer(serializers.Serializer):
    action = serializers.ChoiceField(choices=["reset", "open", "release"])


class _PrimaryField(serializers.SlugRelatedField):
    """A backend of the same pool, by its name."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "This pool has no backend named {value}."
    }

    def get_queryset(self) -> models.QuerySet[Backend]:
        pool_name = self.context["view"].kwargs.get("pool_name")
        return Backend.objects.filter(pool__name=pool_name)


class BackendSerializer(_ConfigurationSerializer):
    pool: "serializers.SlugRelatedField[Pool]" = serializers.SlugRelatedField(
        slug_field="name", read_only=True
    )
    backup_of = _PrimaryField(
        slug_field="name",
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
        live: LiveHealth = self.context["live_health"]
        status = live.of(backend.pk)
        since = datetime.fromtimestamp(status.since, UTC) if status.since else None
        return {"state": status.state.value, "since": since, "reason": status.reason}

    @extend_schema_field(CircuitSerializer(allow_null=True))
    def get_circuit(self, backend: Backend) -> dict[str, Any] | None:
        live: LiveCircuits = self.context["live_circuits"]
        circuit = live.of(backend)
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
        live: LiveEjections = self.context["live_ejections"]
        ejection = live.of(backend)
        if ejection is None:
            return None
        return {
            "since": _time(ejection.since),
            "until": _time(ejection.until),
            "times": ejection.times,
            "cause": ejection.cause,
        }


def _time(seconds: float) -> datetime | None:
    """None for 0, which stands for no time."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


class TierShareSerializer(serializers.Serializer[Share]):
    tier = serializers.IntegerField()
    percent = serializers.IntegerField(help_text="Of the pool's traffic.")
    panic = serializers.BooleanField(help_text="Whether unhealthy backends get traffic too.")
    healthy = serializers.IntegerField(help_text="Backends in service that are well.")
    total = serializers.IntegerField(help_text="Backends in service.")


class TrafficSerializer(serializers.Serializer[Traffic]):
    serving = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="Tiers that serve; none when no backend is well.",
    )
    panic = serializers.BooleanField()
    tiers = TierShareSerializer(many=True, source="shares")
    floor = serializers.IntegerField(
        source="state.floor", help_text="Tiers below get no traffic while one from it on can serve."
    )
    manual = serializers.BooleanField(
        source="state.manual", help_text="Whether an operator has set the floor."
    )
    cause = serializers.CharField(source="state.cause", help_text="Of the last move.")


class FailoverSerializer(serializers.Serializer[Any]):
    tier = serializers.IntegerField(min_value=0, max_value=9, help_text="Where traffic is to go.")


class PoolSerializer(_ConfigurationSerializer):
    backends = BackendSerializer(many=True, read_only=True)
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

    @extend_schema_field(TrafficSerializer(allow_null=True))
    def get_traffic(self, pool: Pool) -> Any:
        live: LiveTraffic = self.context["live_traffic"]
        return None if live.error else TrafficSerializer(live.of(pool)).data

    @extend_schema_field(PoolHealthSerializer)
    def get_outlook(self, pool: Pool) -> Any:
        return PoolHealthSerializer(pool_health(pool, self.context["live_traffic"])).data


class RouteSerializer(_ConfigurationSerializer):
    pool: "serializers.SlugRelatedField[Pool]" = serializers.SlugRelatedField(
        slug_field="name", queryset=Pool.objects.all(), help_text="Name of the pool."
    )

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


class EventSerializer(serializers.ModelSerializer):
    pool: "serializers.SlugRelatedField[Pool]" = serializers.SlugRelatedField(
        slug_field="name", read_only=True
    )
    backend: "serializers.SlugRelatedField[Backend]" = serializers.SlugRelatedField(
        slug_field="name", read_only=True
    )

    caused_by = serializers.SerializerMethodField(help_text="Id of the event that led to it.")

    class Meta:
        model = Event
        fields = [
            "id",
            "at",
            "kind",
            "severity",
            "pool",
            "backend",
            "message",
            "data",
            "actor",
            "caused_by",
        ]

    def get_caused_by(self, event: Event) -> int | None:
        causes: dict[int, Event] = self.context["causes"]
        cause = causes.get(event.pk)
        return cause.pk if cause else None


class HealthRecordSerializer(serializers.ModelSerializer):
    pool = serializers.CharField(source="backend.pool.name", read_only=True)
    backend: "serializers.SlugRelatedField[Backend]" = serializers.SlugRelatedField(
        slug_field="name", read_only=True
    )

    class Meta:
        model = HealthRecord
        fields = [
            "id",
            "at",
            "pool",
            "backend",
            "result",
            "status",
            "latency_ms",
            "reason",
            "excerpt",
            "state",
            "omitted",
        ]


class RevisionSerializer(serializers.ModelSerializer):
    published = serializers.BooleanField(read_only=True)

    class Meta:
        model = Revision
        fields = [
            "number",
            "content_hash",
            "created_at",
            "published",
            "published_at",
            "actor",
            "summary",
            "diff",
        ]


class _UnixTimeField(serializers.DateTimeField):
    def to_representation(self, value: float) -> Any:  # type: ignore[override]
        return super().to_representation(datetime.fromtimestamp(value, UTC))


class EdgeSerializer(serializers.Serializer[Edge]):
    worker_id = serializers.CharField(source="report.worker_id")
    host = serializers.CharField(source="report.host")
    pid = serializers.IntegerField(source="report.pid")
    version = serializers.CharField(source="report.version")
    snapshot_number = serializers.IntegerField(source="report.snapshot_number")
    snapshot_hash = serializers.CharField(source="report.snapshot_hash")
    since = _UnixTimeField(
        source="report.snapshot_since", help_text="When it began to run this snapshot."
    )
    started_at = _UnixTimeField(source="report.started_at")
    seen_at = _UnixTimeField(source="report.seen_at")
    requests = serializers.IntegerField(source="report.requests")
    lagging = serializers.BooleanField(help_text="Whether it runs something else than is saved.")
    error = serializers.CharField(
        help_text="Why it did not take the newest snapshot, or what of it does not work there.",
    )
