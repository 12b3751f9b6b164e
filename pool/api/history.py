"""What happened: events, probes, revisions."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from pool import restore
from pool.api import filters
from pool.api.errors import model_errors_as_answers
from pool.api.exported import Exported
from pool.api.pagination import Page, TimePage
from pool.api.permissions import MayRollBack, ModelPermissions
from pool.api.strict import KnownRows
from pool.diff import Action, Kind
from pool.history.causes import causes_of, effects_of
from pool.models import Backend, Event, HealthRecord, Pool, Revision


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


class EventWithEffectsSerializer(EventSerializer):
    led_to = serializers.SerializerMethodField(help_text="Ids of events that came of it.")

    class Meta(EventSerializer.Meta):
        fields = [*EventSerializer.Meta.fields, "led_to"]

    def get_led_to(self, event: Event) -> list[int]:
        return [effect.pk for effect in effects_of(event)]


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


class RevisionChangeSerializer(serializers.Serializer[Any]):
    """As in the `diff` of a revision."""

    action = serializers.ChoiceField(choices=[action.value for action in Action])
    kind = serializers.ChoiceField(choices=[kind.value for kind in Kind])
    id = serializers.IntegerField()
    name = serializers.CharField()
    fields = serializers.DictField(  # type: ignore[assignment]
        help_text="Each field that changes, with its old and new value."
    )
    pools = serializers.ListField(
        child=serializers.IntegerField(), help_text="Ids of those that it is about."
    )


class EventViewSet(Exported, KnownRows, viewsets.ReadOnlyModelViewSet):
    """The timeline, newest first."""

    permission_classes = [ModelPermissions]
    queryset = Event.objects.select_related("pool", "backend")
    serializer_class = EventSerializer
    filterset_class = filters.EventFilter
    pagination_class = TimePage
    columns = (
        *("id", "at", "kind", "severity", "pool", "backend"),
        *("message", "data", "actor", "caused_by"),
    )
    causes: dict[int, Event] = {}

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        self.look_up(page or [])
        return page

    def look_up(self, rows: Sequence[Event]) -> None:
        self.causes = causes_of(rows)

    def get_serializer_class(self) -> type[EventSerializer]:
        if self.action == "retrieve":
            return EventWithEffectsSerializer
        return EventSerializer

    def get_object(self) -> Event:
        event = super().get_object()
        self.look_up([event])
        return event

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "causes": self.causes}


class HealthRecordViewSet(Exported):
    """Every probe, newest first. What a backend counts as now is its `health`."""

    permission_classes = [ModelPermissions]
    queryset = HealthRecord.objects.select_related("backend__pool")
    serializer_class = HealthRecordSerializer
    filterset_class = filters.HealthRecordFilter
    pagination_class = TimePage
    columns = (
        *("id", "at", "pool", "backend", "result", "status"),
        *("latency_ms", "reason", "excerpt", "state", "omitted"),
    )


class RevisionViewSet(Exported, KnownRows, viewsets.ReadOnlyModelViewSet):
    """Every configuration that was ever published, newest first."""

    permission_classes = [ModelPermissions]
    queryset = Revision.objects.defer("snapshot")
    serializer_class = RevisionSerializer
    pagination_class = Page
    columns = (
        *("number", "created_at", "published_at", "actor", "summary"),
        "content_hash",
    )
    lookup_field = "number"
    lookup_value_regex = "[0-9]{1,18}"

    @extend_schema(responses=RevisionChangeSerializer(many=True))
    @action(detail=True, permission_classes=[MayRollBack], pagination_class=None)
    def rollback(self, request: Request, **_: Any) -> Response:
        """What a rollback to this revision would change now. Refused if that would be."""
        revision = self.get_object()
        with model_errors_as_answers():
            changes = restore.preview_rollback(revision)
            restore.rehearse_rollback(revision)
        return Response(RevisionChangeSerializer(changes, many=True).data)

    @extend_schema(request=None, responses=RevisionSerializer)
    @rollback.mapping.post
    def roll_back(self, request: Request, **_: Any) -> Response:
        """Make the configuration what it was then. Answers with the revision that now runs."""
        with model_errors_as_answers():
            restore.rollback(self.get_object(), by=request.user)
        return Response(self.get_serializer(self.get_queryset().first()).data)
