"""What all reports have in common over REST: rights, formats, caching."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer, ValidationError

from analytics.api.queries import SpanQuery, bad_parameters_as_answers
from analytics.api.shapes import columns_of, shape_of
from analytics.models import TrafficRollup
from pool.api.formats import RENDERERS, Negotiation, table_response, wants_table
from pool.api.permissions import ModelPermissions
from pool.api.strict import KnownParameters

# A time that is over changes only where counts arrive late; one that runs, at any moment.
_FINISHED, _RUNNING = "private, max-age=60", "private, no-cache"
_TABLE = "table"


@dataclass(frozen=True)
class Table:
    """One of a report's lists as rows of a file; `row` is the dataclass of each."""

    row: type
    rows: Callable[[Any], Iterable[Any]]


class ReportView(KnownParameters, ABC):
    """A subclass says what is asked, how it is answered, and what its tables are: first the
    one that CSV and NDJSON have unless `table=` names another.
    """

    queryset = TrafficRollup.objects.none()  # names the model whose view permission is needed
    permission_classes = [ModelPermissions]
    filter_backends = ()
    pagination_class = None
    renderer_classes = RENDERERS
    content_negotiation_class = Negotiation
    query_class: ClassVar[type[SpanQuery]]
    further_parameters = (_TABLE,)
    name: ClassVar[str]
    tables: ClassVar[dict[str, Table]]

    @abstractmethod
    def report(self, query: Any, *, table: bool) -> Any:
        """The dataclass to answer with; `table`: for a file, which has no pages."""

    @method_decorator(conditional_page)
    def get(self, request: Request) -> HttpResponseBase:
        query = self.query_class(data=request.query_params)
        query.is_valid(raise_exception=True)
        as_table, table = wants_table(request), self._table(request)
        with bad_parameters_as_answers():
            report = self.report(query, table=as_table)
        response: HttpResponseBase
        if as_table:
            rows = map(msgspec.to_builtins, table.rows(report))
            response = table_response(request, self.name, list(columns_of(table.row)), rows)
        else:
            response = Response(msgspec.to_builtins(report))
        response["Cache-Control"] = _RUNNING if is_running(report) else _FINISHED
        return response

    def _table(self, request: Request) -> Table:
        asked = request.query_params.get(_TABLE) or next(iter(self.tables))
        if asked not in self.tables:
            known = ", ".join(self.tables)
            text = f"“{asked}” is not a table of this report; give one of {known}."
            raise ValidationError({_TABLE: [text]})
        return self.tables[asked]


def is_running(report: Any) -> bool:
    """Whether what it tells of goes on; of several reports, any."""
    parts = [getattr(report, name, report) for name in ("periods", "before", "after")]
    found = [one for part in parts for one in (part if isinstance(part, list) else [part])]
    return any(getattr(one, "running", False) for one in found)


def described(
    report: type, query: type[SpanQuery], tables: Iterable[str], responses: Any = None
) -> Any:
    """Describes the `get` of a subclass."""
    table = OpenApiParameter(
        _TABLE,
        OpenApiTypes.STR,
        enum=list(tables),
        description="Which list CSV and NDJSON have.",
    )
    shape: type[Serializer[Any]] = shape_of(report)
    return extend_schema(
        parameters=[query, table],
        tags=["reports"],
        responses={
            200: responses or shape,
            304: OpenApiResponse(description="As it was when the ETag was given."),
        },
    )
