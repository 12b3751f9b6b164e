"""The edge workers over REST, and whether each runs what is saved."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from pool import edges
from pool.api.errors import redis_errors_as_answers
from pool.api.fields import UnixTimeField
from pool.api.pagination import Page
from pool.api.permissions import ModelPermissions
from pool.api.strict import KnownParameters
from pool.edges import Edge
from pool.models import Revision


class EdgeSerializer(serializers.Serializer[Edge]):
    worker_id = serializers.CharField(source="report.worker_id")
    host = serializers.CharField(source="report.host")
    pid = serializers.IntegerField(source="report.pid")
    version = serializers.CharField(source="report.version")
    snapshot_number = serializers.IntegerField(source="report.snapshot_number")
    snapshot_hash = serializers.CharField(source="report.snapshot_hash")
    since = UnixTimeField(
        source="report.snapshot_since", help_text="When it began to run this snapshot."
    )
    started_at = UnixTimeField(source="report.started_at")
    seen_at = UnixTimeField(source="report.seen_at")
    requests = serializers.IntegerField(source="report.requests")
    lagging = serializers.BooleanField(help_text="Whether it runs something else than is saved.")
    error = serializers.CharField(
        help_text="Why it did not take the newest snapshot, or what of it does not work there.",
    )


class EdgeViewSet(KnownParameters, viewsets.GenericViewSet):
    """The edge workers, and whether each runs what is saved."""

    permission_classes = [ModelPermissions]
    queryset = Revision.objects.none()  # whoever may see revisions may see who runs them
    serializer_class = EdgeSerializer
    filter_backends: list[Any] = []
    pagination_class = Page

    @extend_schema(responses=EdgeSerializer(many=True))
    def list(self, request: Request, **_: Any) -> Response:
        with redis_errors_as_answers():
            page = self.paginate_queryset(edges.read_edges())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
