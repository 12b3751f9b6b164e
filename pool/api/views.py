"""Pools, backends and routes over REST: the same models and verbs as in the admin."""

from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.status import is_success

from pool import publish
from pool.api import configuration, filters
from pool.api.errors import model_errors_as_answers, redis_errors_as_answers
from pool.api.health import HealthActions
from pool.api.permissions import MayChange
from pool.api.saving import SavingViewSet
from pool.circuits import verbs as circuits
from pool.failover.live import LiveTraffic
from pool.models import Backend, Pool, Route

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
        name = self.kwargs["pool_name"]
        pool = Pool.objects.filter(name=name).first()
        if pool is None:
            raise NotFound(f"There is no pool {name}.")
        return pool


class RouteViewSet(_PublishedViewSet):
    """Which requests go to which pool."""

    queryset = Route.objects.select_related("pool")
    serializer_class = configuration.RouteSerializer
    filterset_class = filters.RouteFilter
