"""REST over the same models and verbs as the admin."""

from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.status import is_success

from pool import edges, publish, restore
from pool.api import configuration, filters, history
from pool.api.errors import model_errors_as_answers, redis_errors_as_answers
from pool.api.health import HealthActions
from pool.api.live import EdgeSerializer
from pool.api.pagination import Page, TimePage
from pool.api.permissions import MayChange, MayRollBack, ModelPermissions
from pool.api.saving import SavingViewSet
from pool.api.strict import KnownParameters
from pool.circuits import verbs as circuits
from pool.failover.live import LiveTraffic
from pool.history.causes import causes_of
from pool.models import Backend, Event, HealthRecord, Pool, Revision, Route

_CIRCUIT_VERBS: dict[str, circuits.Verb] = {
    "reset": circuits.reset,
    "open": circuits.force_open,
    "release": circuits.release,
}

_BACKENDS_TOO = "Its backends would be deleted too: you have no right to delete backends."


class _PublishedViewSet(SavingViewSet):
    """What is published."""

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """With a warning, as Kubernetes' API gives them, if edges do not get what was saved."""
        response = super().finalize_response(request, response, *args, **kwargs)
        changes = request.method not in SAFE_METHODS and is_success(response.status_code)
        if changes and (warning := publish.waiting()):
            response["Warning"] = f'299 lbsite "{warning}"'
        return response


class _LiveViewSet(_PublishedViewSet):
    """And how it is now: read once for an answer, so that its parts agree."""

    @cached_property
    def live(self) -> LiveTraffic:
        return LiveTraffic.read()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "live": self.live}


class PoolViewSet(_LiveViewSet):
    """Pools with their policies and, to read, their backends."""

    queryset = Pool.objects.prefetch_related("backends__pool", "backends__backup_of")
    serializer_class = configuration.PoolSerializer
    filterset_class = filters.PoolFilter
    lookup_field = "name"
    lookup_value_regex = "[^/]+"

    def perform_destroy(self, pool: Pool) -> None:
        """Its backends go with it, and who deletes those needs the right to."""
        if pool.backends.exists() and not self.request.user.has_perm("pool.delete_backend"):
            self.permission_denied(self.request, _BACKENDS_TOO)
        super().perform_destroy(pool)

    @method_decorator(conditional_page)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With an ETag: whoever asks again and again is told in a few bytes of no change."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(request=configuration.FailoverSerializer, responses=configuration.PoolSerializer)
    @action(detail=True, methods=["post"], permission_classes=[MayChange])
    def failover(self, request: Request, **_: Any) -> Response:
        """Send the traffic to a tier, and keep it there until somebody fails back."""
        order = configuration.FailoverSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        return self._steer(request, Pool.fail_over, to=order.validated_data["tier"])

    @extend_schema(request=None, responses=configuration.PoolSerializer)
    @action(detail=True, methods=["post"], permission_classes=[MayChange])
    def failback(self, request: Request, **_: Any) -> Response:
        """Let the traffic return to the lowest tier that can serve."""
        return self._steer(request, Pool.fail_back)

    def _steer(self, request: Request, verb: Any, **options: Any) -> Response:
        pool = self.get_object()
        with redis_errors_as_answers(), model_errors_as_answers():
            verb(pool, by=request.user, **options)
        return Response(self.get_serializer(pool).data)


class BackendViewSet(HealthActions, _LiveViewSet):
    """The backends of one pool."""

    queryset = Backend.objects.select_related("pool", "backup_of")
    serializer_class = configuration.BackendSerializer
    filterset_class = filters.BackendFilter
    lookup_field = "name"
    lookup_value_regex = "[^/]+"

    def get_queryset(self) -> QuerySet[Backend]:
        return super().get_queryset().filter(pool__name=self.kwargs.get("pool_name"))

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._get_pool()
        return super().list(request, *args, **kwargs)

    def perform_create(self, serializer: BaseSerializer[Backend]) -> None:
        serializer.save(pool=self._get_pool())

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], permission_classes=[MayChange])
    def drain(self, request: Request, **_: Any) -> Response:
        """Finish what is in progress, take nothing new."""
        return self._apply(Backend.drain, request)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], permission_classes=[MayChange])
    def enable(self, request: Request, **_: Any) -> Response:
        """Take traffic again."""
        return self._apply(Backend.enable, request)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], permission_classes=[MayChange])
    def maintain(self, request: Request, **_: Any) -> Response:
        """Take no traffic and no probes."""
        return self._apply(Backend.maintain, request)

    @extend_schema(request=configuration.CircuitOrderSerializer)
    @action(detail=True, methods=["post"], permission_classes=[MayChange])
    def circuit(self, request: Request, **_: Any) -> Response:
        """Close its circuit (reset), keep it open, or release one that is kept open."""
        order = configuration.CircuitOrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        backend = self.get_object()
        with model_errors_as_answers(), redis_errors_as_answers():
            _CIRCUIT_VERBS[order.validated_data["action"]](backend, request.user)
        return Response(self.get_serializer(backend).data)

    def _apply(self, verb: Any, request: Request) -> Response:
        backend = self.get_object()
        with model_errors_as_answers():
            verb(backend, by=request.user)
        return Response(self.get_serializer(backend).data)

    def _get_pool(self) -> Pool:
        return get_object_or_404(Pool, name=self.kwargs["pool_name"])


class RouteViewSet(_PublishedViewSet):
    """Which requests go to which pool."""

    queryset = Route.objects.select_related("pool")
    serializer_class = configuration.RouteSerializer
    filterset_class = filters.RouteFilter


class EventViewSet(KnownParameters, viewsets.ReadOnlyModelViewSet):
    """The timeline, newest first."""

    permission_classes = [ModelPermissions]
    queryset = Event.objects.select_related("pool", "backend")
    serializer_class = history.EventSerializer
    filterset_class = filters.EventFilter
    pagination_class = TimePage
    causes: dict[int, Event] = {}

    def paginate_queryset(self, queryset: Any) -> Any:
        """Looks the causes of a page up at once."""
        page = super().paginate_queryset(queryset)
        self.causes = causes_of(page or [])
        return page

    def get_serializer_class(self) -> type[history.EventSerializer]:
        if self.action == "retrieve":
            return history.EventWithEffectsSerializer
        return history.EventSerializer

    def get_object(self) -> Event:
        event = super().get_object()
        self.causes = causes_of([event])
        return event

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "causes": self.causes}


class HealthRecordViewSet(KnownParameters, mixins.ListModelMixin, viewsets.GenericViewSet):
    """Every probe, newest first. What a backend counts as now is its `health`."""

    permission_classes = [ModelPermissions]
    queryset = HealthRecord.objects.select_related("backend__pool")
    serializer_class = history.HealthRecordSerializer
    filterset_class = filters.HealthRecordFilter
    pagination_class = TimePage


class RevisionViewSet(KnownParameters, viewsets.ReadOnlyModelViewSet):
    """Every configuration that was ever published, newest first."""

    permission_classes = [ModelPermissions]
    queryset = Revision.objects.defer("snapshot")
    serializer_class = history.RevisionSerializer
    pagination_class = Page
    lookup_field = "number"
    lookup_value_regex = "[0-9]{1,18}"

    @extend_schema(responses=history.RevisionChangeSerializer(many=True))
    @action(detail=True, permission_classes=[MayRollBack], pagination_class=None)
    def rollback(self, request: Request, **_: Any) -> Response:
        """What a rollback to this revision would change now."""
        with model_errors_as_answers():
            changes = restore.preview_rollback(self.get_object())
        return Response(history.RevisionChangeSerializer(changes, many=True).data)

    @extend_schema(request=None, responses=history.RevisionSerializer)
    @rollback.mapping.post
    def roll_back(self, request: Request, **_: Any) -> Response:
        """Make the configuration what it was then. Answers with the revision that now runs."""
        with model_errors_as_answers():
            restore.rollback(self.get_object(), by=request.user)
        return Response(self.get_serializer(self.get_queryset().first()).data)


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
