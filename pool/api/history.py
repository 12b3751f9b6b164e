"""What happened: events, probes, revisions."""

from typing import Any

from rest_framework import serializers

from pool.diff import Action, Kind
from pool.history.causes import effects_of
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
