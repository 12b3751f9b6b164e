"""Alerts over REST: channels, rules, what was told, and a message to try a channel with."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from pool.alerts.delivery import send_test
from pool.api import filters
from pool.api.fields import NamedChoiceField, NamedRelation
from pool.api.pagination import Page
from pool.api.permissions import MayChange, ModelPermissions
from pool.api.saving import SavingSerializer, SavingViewSet
from pool.api.strict import KnownParameters, KnownRows
from pool.models import Pool
from pool.models.alerts import Alert, AlertChannel, AlertDelivery, AlertRule
from pool.models.history import event_kind_choices


class AlertChannelSerializer(SavingSerializer):
    """Secrets are written and never read. What a change leaves out stays as it is.

    `url` is told to those who may change channels.
    """

    goes_to = serializers.CharField(
        read_only=True, help_text="The addresses, or a URL without its path."
    )
    secret_set = serializers.SerializerMethodField(
        help_text="Whether there is a signing secret or Slack URL."
    )

    class Meta:
        model = AlertChannel
        fields = [
            *("id", "name", "kind", "url", "signing_secret", "slack_url", "recipients"),
            *("goes_to", "secret_set"),
        ]
        extra_kwargs = {name: {"write_only": True} for name in AlertChannel.SECRETS}

    def to_representation(self, channel: AlertChannel) -> dict[str, Any]:
        shown = super().to_representation(channel)
        if not self.context["request"].user.has_perm("pool.change_alertchannel"):
            shown["url"] = ""
        return shown

    def get_secret_set(self, channel: AlertChannel) -> bool:
        return any(getattr(channel, name) for name in AlertChannel.SECRETS)


class AlertRuleSerializer(SavingSerializer):
    kinds = serializers.ListField(
        child=NamedChoiceField(choices=event_kind_choices()),
        allow_empty=False,
        required=False,
    )
    pools = NamedRelation(
        queryset=Pool.objects.all(),
        many=True,
        required=False,
        help_text="Names; none: all.",
    )
    channels = NamedRelation(
        queryset=AlertChannel.objects.all(),
        many=True,
        allow_empty=False,
        help_text="Names.",
    )

    class Meta:
        model = AlertRule
        fields = [
            *("id", "name", "enabled", "kinds", "pools", "minimum_severity"),
            *("hold_for", "quiet_for", "gather_for", "channels"),
        ]


class AlertSerializer(serializers.ModelSerializer):
    rule = serializers.CharField(source="rule.name", read_only=True)
    pool = serializers.CharField(source="names.pool", read_only=True, default=None)
    backend = serializers.CharField(source="names.backend", read_only=True, default=None)

    class Meta:
        model = Alert
        fields = [
            *("key", "rule", "kind", "severity", "pool", "backend", "title", "reason", "ending"),
            *("state", "count", "since", "last_at", "ended_at"),
        ]


class AlertDeliverySerializer(serializers.ModelSerializer):
    channel = serializers.CharField(source="channel.name", read_only=True)
    alert = serializers.UUIDField(source="alert.key", read_only=True, default=None)

    class Meta:
        model = AlertDelivery
        fields = [
            *("key", "channel", "alert", "kind", "message", "state", "attempts"),
            *("created_at", "send_at", "bundle", "tried_at", "status", "detail", "excerpt"),
        ]


class _NamedViewSet(SavingViewSet):
    filter_backends: list[Any] = []
    lookup_field = "name"
    lookup_value_regex = "[^/]+"


class AlertChannelViewSet(_NamedViewSet):
    """The ways to people."""

    queryset = AlertChannel.objects.all()
    serializer_class = AlertChannelSerializer

    @extend_schema(request=None, responses=AlertDeliverySerializer)
    @action(detail=True, methods=["post"], permission_classes=[MayChange])
    def test(self, request: Request, **_: Any) -> Response:
        """Send a message now. Answers with what came of it, whether it arrived or not."""
        delivery = send_test(self.get_object(), request.user, request.build_absolute_uri("/"))
        return Response(AlertDeliverySerializer(delivery).data)


class AlertRuleViewSet(_NamedViewSet):
    """Which events are told through which channels."""

    queryset = AlertRule.objects.prefetch_related("pools", "channels")
    serializer_class = AlertRuleSerializer


class AlertViewSet(KnownParameters, KnownRows, viewsets.ReadOnlyModelViewSet):
    """What rules tell of, or are about to, newest first."""

    permission_classes = [ModelPermissions]
    queryset = Alert.objects.select_related("rule")
    serializer_class = AlertSerializer
    filterset_class = filters.AlertFilter
    pagination_class = Page
    lookup_field = "key"


class AlertDeliveryViewSet(KnownParameters, KnownRows, viewsets.ReadOnlyModelViewSet):
    """Each message to each channel, and what came of it, newest first."""

    permission_classes = [ModelPermissions]
    queryset = AlertDelivery.objects.select_related("channel", "alert")
    serializer_class = AlertDeliverySerializer
    filterset_class = filters.AlertDeliveryFilter
    pagination_class = Page
    lookup_field = "key"
