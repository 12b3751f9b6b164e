"""How things are now, as Redis says."""

from typing import Any

from rest_framework import serializers

from pool.choices import CircuitState, HealthState
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
