"""Why a backend is as it is, over REST: the facts of the admin's page."""

from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from pool.api.fields import UnixTimeField
from pool.history.explanation import Explanation, Fact, Told, explain
from pool.history.export import TABLES, csv_response
from pool.history.pools import PoolHealth
from pool.history.probing import Probing
from pool.history.reading import DAY
from pool.history.tally import Tally
from pool.models import HealthRecord


class FactSerializer(serializers.Serializer[Fact]):
    code = serializers.CharField()
    text = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    by = serializers.CharField(help_text="The user who wanted it.")
    event = serializers.IntegerField(allow_null=True, help_text="Id of the event that tells of it.")
    stops = serializers.BooleanField(help_text="Whether it keeps the backend from new requests.")


class ProbingSerializer(serializers.Serializer[Probing]):
    enabled = serializers.BooleanField()
    next_at = UnixTimeField(allow_null=True)
    last = serializers.CharField(allow_null=True)
    streak = serializers.IntegerField(help_text="Results in a row that are like the last one.")
    passes_needed = serializers.IntegerField(allow_null=True, help_text="Until it is well again.")
    failures_left = serializers.IntegerField(allow_null=True, help_text="Until it is down.")


class TallySerializer(serializers.Serializer[Tally]):
    """Times are seconds, latencies milliseconds."""

    uptime = serializers.FloatField(allow_null=True, help_text="Percent of the time known of.")
    up = serializers.FloatField()
    degraded = serializers.FloatField()
    down = serializers.FloatField()
    unknown = serializers.FloatField()
    probes = serializers.IntegerField()
    failures = serializers.IntegerField()
    flaps = serializers.IntegerField(help_text="How often it went down.")
    latency = serializers.FloatField(allow_null=True, help_text="Of passes, on average.")
    latency_max = serializers.FloatField()


class ProbeSerializer(serializers.ModelSerializer[HealthRecord]):
    state = serializers.CharField(help_text="What the backend counted as after it.")

    class Meta:
        model = HealthRecord
        fields = ["at", "result", "status", "latency_ms", "state", "reason", "excerpt", "omitted"]


class ToldSerializer(serializers.Serializer[Told]):
    id = serializers.IntegerField(source="event.pk")
    at = serializers.DateTimeField(source="event.at")
    kind = serializers.CharField(source="event.kind")
    severity = serializers.CharField(source="event.severity")
    message = serializers.CharField(source="event.message")
    actor = serializers.CharField(source="event.actor")
    caused_by = serializers.IntegerField(source="cause.pk", default=None, allow_null=True)


class PoolHealthSerializer(serializers.Serializer[PoolHealth]):
    available = serializers.IntegerField()
    total = serializers.IntegerField()
    panic = serializers.BooleanField()
    losses_left = serializers.IntegerField(allow_null=True, help_text="Until `danger`, if near.")
    danger = serializers.ChoiceField(choices=["", "panic", "outage", "failover"])
    words = serializers.CharField()


class RepairsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    mean = serializers.FloatField(allow_null=True, help_text="Seconds.")


class ExplanationSerializer(serializers.Serializer[Explanation]):
    state = serializers.CharField()
    out = serializers.BooleanField(help_text="Whether it gets no new requests.")
    headline = serializers.CharField()
    facts = FactSerializer(many=True)
    next = serializers.CharField(source="next_words")
    probing = ProbingSerializer(allow_null=True)
    pool = PoolHealthSerializer()
    uptime = serializers.DictField(
        source="past.spans", child=TallySerializer(), help_text="By span: 1h, 24h, 7d, 30d."
    )
    repairs = RepairsSerializer(source="past.repairs", help_text="Of the last 30 days.")
    day = TallySerializer(source="past.day", many=True, help_text="The last 24 hours, in parts.")
    day_started_at = serializers.DateTimeField(source="past.start")
    day_part_seconds = serializers.SerializerMethodField()
    probes = ProbeSerializer(many=True)
    events = ToldSerializer(many=True)

    def get_day_part_seconds(self, explanation: Explanation) -> float:
        return DAY.total_seconds() / len(explanation.past.day)


class HealthActions(viewsets.GenericViewSet[Any]):
    """For the view set of backends."""

    @extend_schema(responses=ExplanationSerializer)
    @action(detail=True)
    def health(self, request: Request, **_: Any) -> Response:
        """Why it is as it is: what keeps it from requests, its probes, its past."""
        explanation = explain(self.get_object(), timezone.now())
        return Response(ExplanationSerializer(explanation).data)

    @extend_schema(
        operation_id="pools_backends_health_export",
        parameters=[OpenApiParameter("table", enum=list(TABLES), location="path")],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    @action(detail=True, url_path=f"health/(?P<table>{'|'.join(TABLES)})")
    def export(self, request: Request, table: str, **_: Any) -> HttpResponseBase:
        """Its probes, or its hours, as CSV."""
        return csv_response(self.get_object(), table)
