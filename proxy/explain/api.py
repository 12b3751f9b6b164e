"""`POST /api/v1/explain/`."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from pool.api.errors import Conflict, redis_errors_as_answers
from pool.api.strict import KnownFields, KnownParameters
from pool.connection import redis_client
from pool.obstacles import Obstacle
from proxy.explain.answer import Answer, By, Unanswerable, explain
from proxy.explain.question import Question, QuestionError

RIGHTS = ("pool.view_pool", "pool.view_route")  # it shows nothing but what these do


def may_explain(user: Any) -> bool:
    return bool(user.has_perms(RIGHTS))


class MayExplain(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return may_explain(request.user)


class QuestionSerializer(KnownFields):
    host = serializers.CharField(max_length=260, help_text="As in the Host field, with its port.")
    path = serializers.CharField(
        max_length=8192, default="/", help_text="With the query, if it matters."
    )
    method = serializers.CharField(max_length=32, default="GET")
    headers: Any = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=8192),
        default=dict,
        help_text="Further fields by name, such as Cookie.",
    )
    client = serializers.CharField(
        max_length=45,
        default="",
        allow_blank=True,
        help_text="The client's IP address, as the edge sees it.",
    )


class _RouteSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    host = serializers.CharField(help_text="Empty: any host.")
    path_prefix = serializers.CharField()
    priority = serializers.IntegerField()
    pool = serializers.CharField()
    lost_by = serializers.CharField(
        help_text="What the winner is ahead in; empty for the winner, which comes first."
    )


class _TierSerializer(serializers.Serializer[Any]):
    tier = serializers.IntegerField()
    percent = serializers.IntegerField(help_text="Of the pool's traffic.")
    panic = serializers.BooleanField(help_text="Too few are healthy: all of them are used.")
    healthy = serializers.IntegerField()
    total = serializers.IntegerField()


class _BackendSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    tier = serializers.IntegerField()
    weight = serializers.FloatField()
    in_flight = serializers.IntegerField(help_text="From all edge workers.")
    max_connections = serializers.IntegerField()
    latency_ms = serializers.FloatField(allow_null=True, help_text="To the first byte, averaged.")
    score = serializers.FloatField(
        allow_null=True, help_text="What the algorithm compares; the least wins."
    )
    passed_over = serializers.ChoiceField(
        choices=[one.value for one in Obstacle],
        allow_null=True,
        help_text="Why it is not among those that are chosen from.",
    )
    detail = serializers.CharField()


class _PoolSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    algorithm = serializers.CharField(help_text="The fallback, where the request lacks the key.")
    hash_key = serializers.CharField(help_text="Empty: the algorithm needs none.")
    key = serializers.CharField(allow_null=True, help_text="Its value in this request.")
    floor = serializers.IntegerField()
    tiers = _TierSerializer(many=True)
    backends = _BackendSerializer(many=True)


class _ChoiceSerializer(serializers.Serializer[Any]):
    by = serializers.ChoiceField(choices=[by.value for by in By])
    backend = serializers.CharField(
        allow_null=True, help_text="What an idle worker takes first; null where chance decides."
    )
    shares: Any = serializers.DictField(
        child=serializers.FloatField(), help_text="Percent of `picks` choices in a row, by name."
    )
    picks = serializers.IntegerField()


class AnswerSerializer(serializers.Serializer[Answer]):
    snapshot = serializers.IntegerField(help_text="Number of the published configuration.")
    answered_by_edge = serializers.BooleanField(help_text="It is the edge's own health path.")
    routes = _RouteSerializer(many=True, help_text="All that match, the winner first.")
    pool = _PoolSerializer(allow_null=True)
    sticks_to = serializers.CharField(
        allow_null=True, help_text="The backend that the request's mark names."
    )
    choice = _ChoiceSerializer(allow_null=True)
    workers = serializers.IntegerField(help_text="Edge workers whose figures are in here.")
    age = serializers.FloatField(allow_null=True, help_text="Seconds since the oldest of these.")


class ExplainView(KnownParameters):
    """Where a request would go now, and why. Nothing is sent and nothing is changed."""

    permission_classes = [MayExplain]
    serializer_class = QuestionSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(
        operation_id="explain",
        request=QuestionSerializer,
        responses={200: AnswerSerializer},
        tags=["explain"],
    )
    def post(self, request: Request) -> Response:
        query = self.get_serializer(data=request.data)
        query.is_valid(raise_exception=True)
        try:
            with redis_errors_as_answers():
                answer = explain(
                    Question(**query.validated_data), redis_client(), settings.SECRET_KEY
                )
        except QuestionError as error:
            raise serializers.ValidationError({error.field: [str(error)]}) from error
        except Unanswerable as error:
            raise Conflict(str(error)) from error
        return Response(AnswerSerializer(answer).data)
