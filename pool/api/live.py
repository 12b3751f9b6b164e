"""How things are now, as Redis and the edges say."""

from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from pool.choices import CircuitState, HealthState
from pool.edges import Edge
from pool.failover.live import Traffic
from pool.tiers import Share


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
