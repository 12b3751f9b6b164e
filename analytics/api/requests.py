"""The log of requests over REST: the newest ones, and those in which something went wrong."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec
from django.http import Http404
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from analytics.api.queries import TIME, bad_parameters_as_answers, text_field
from analytics.api.shapes import columns_of, shape_of
from analytics.reports.scope import parse_scope
from analytics.reports.span import BadParameter, parse_time, parse_zone
from analytics.requests.models import RequestRecord
from analytics.requests.rows import RequestRow, row_of
from analytics.requests.search import Search
from pool.api.fields import NamedChoiceField
from pool.api.formats import RENDERERS, Negotiation, table_response, wants_table
from pool.api.pagination import TimePage
from pool.api.permissions import ModelPermissions
from pool.api.strict import KnownParameters
from proxy.errors import Cause

_STATUS = re.compile(r"([1-5])xx|[1-5]\d\d", re.ASCII)
_UNCACHED = "private, no-cache"
_ROW = shape_of(RequestRow)


class _ZoneQuery(serializers.Serializer[Any]):
    tz = text_field(
        "Time zone of the answer, and of times without an offset, such as Europe/Berlin."
    )

    def zone(self) -> tzinfo:
        with bad_parameters_as_answers():
            return parse_zone(self.validated_data["tz"])


class RequestsQuery(_ZoneQuery):
    pool = text_field("Only this pool.")
    backend = text_field("Only backends of this name.")
    route = text_field("Only this route: its number, or its host and path prefix.")
    status = text_field("Only this status, such as 503, or this class of them, such as 5xx.")
    method = text_field("Only this method, such as GET.")
    host = text_field("Only this host.")
    path = text_field("Only paths that begin so.")
    client = text_field("Only this client's address.")
    cause = NamedChoiceField(
        choices=[cause.value for cause in Cause],
        required=False,
        default="",
        allow_blank=True,
        help_text="Only those that ended for this cause.",
    )
    request_id = text_field("Only those with this X-Request-Id.")
    notable = serializers.BooleanField(
        required=False,
        default=None,
        allow_null=True,
        help_text="Only those in which something went wrong, or only the others.",
    )
    min_ms = serializers.FloatField(
        required=False,
        default=None,
        allow_null=True,
        min_value=0,
        help_text="Only those that took so many milliseconds or more.",
    )

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which no attribute can be called."""
        return {
            **super().get_fields(),
            "from": text_field(f"Only those that began then or later: {TIME}"),
            "to": text_field(f"Only those that began before: {TIME}"),
        }

    def search(self) -> Search:
        asked, zone = self.validated_data, self.zone()
        with bad_parameters_as_answers():
            return Search(
                scope=parse_scope(asked["pool"], asked["backend"], asked["route"]),
                since=_time("from", asked["from"], zone),
                until=_time("to", asked["to"], zone),
                statuses=_statuses(asked["status"]),
                method=asked["method"].upper(),
                host=asked["host"].lower(),
                path=asked["path"],
                client=asked["client"],
                cause=asked["cause"],
                request_id=asked["request_id"],
                notable=asked["notable"],
                min_ms=asked["min_ms"],
            )


def _time(name: str, text: str, zone: tzinfo) -> datetime | None:
    return datetime.fromtimestamp(parse_time(name, text, zone), UTC) if text else None


def _statuses(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = _STATUS.fullmatch(text.lower())
    if match is None:
        problem = f"“{text}” is not a status; give one such as 503, or a class such as 5xx."
        raise BadParameter("status", problem)
    lowest = int(match[1]) * 100 if match[1] else int(text)
    return lowest, lowest + 99 if match[1] else lowest


class RequestPage(TimePage):
    ordering = ("-at", "-key")


class RequestLogView(KnownParameters):
    """The newest requests of each edge, so many a second, and all in which something went wrong.

    Of these there is a bound too; the errors report says how many more there were.
    """

    queryset = RequestRecord.objects.none()  # names the model whose view permission is needed
    permission_classes = [ModelPermissions]
    filter_backends = ()
    pagination_class = RequestPage
    query_class = RequestsQuery
    renderer_classes = RENDERERS
    content_negotiation_class = Negotiation

    @extend_schema(parameters=[RequestsQuery], tags=["reports"], responses=_ROW(many=True))
    def get(self, request: Request) -> HttpResponseBase:
        query = RequestsQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        found, zone = query.search().find(), query.zone()
        if wants_table(request):
            rows = _rows(found.iterator(), zone)
            return table_response(request, "requests", list(columns_of(RequestRow)), rows)
        page = self.paginate_queryset(found) or ()
        response = self.get_paginated_response(list(_rows(page, zone)))
        response["Cache-Control"] = _UNCACHED
        return response


class RequestView(KnownParameters):
    """One request by its X-Request-Id; the newest, if a client has sent the same one again."""

    queryset = RequestRecord.objects.none()
    permission_classes = [ModelPermissions]
    filter_backends = ()
    pagination_class = None
    query_class = _ZoneQuery

    @extend_schema(
        parameters=[_ZoneQuery, OpenApiParameter("request_id", OpenApiTypes.STR, "path")],
        tags=["reports"],
        responses=_ROW,
    )
    def get(self, request: Request, request_id: str) -> Response:
        query = _ZoneQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        record = Search(request_id=request_id).find().first()
        if record is None:
            raise Http404(
                f"No request {request_id} is kept: it is too old or too new by a few seconds, "
                "or one of those of which there were too many to keep each."
            )
        row = row_of(record, query.zone())
        return Response(msgspec.to_builtins(row), headers={"Cache-Control": _UNCACHED})


def _rows(records: Iterable[RequestRecord], zone: tzinfo) -> Iterator[dict[str, Any]]:
    return (msgspec.to_builtins(row_of(record, zone)) for record in records)
