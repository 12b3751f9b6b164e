"""Lists as files: all that the filters let through, without pages."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import mixins, viewsets
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from pool.api.formats import RENDERERS, Negotiation, Row, table_response, wants_table
from pool.api.strict import KnownParameters

_ROWS_AT_ONCE = 500


# Without a docstring, which the API's description would repeat for each of its heirs.
class Exported(KnownParameters, mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    content_negotiation_class = Negotiation
    columns: ClassVar[tuple[str, ...]]  # of CSV; NDJSON has all of a row

    def get_renderers(self) -> list[BaseRenderer]:
        if self.action != "list":
            return super().get_renderers()
        return [renderer() for renderer in RENDERERS]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        if not wants_table(request):
            return super().list(request, *args, **kwargs)
        found = self.filter_queryset(self.get_queryset())
        name = str(found.model._meta.verbose_name_plural).replace(" ", "-")
        return table_response(request, name, self.columns, self._rows(found))

    def look_up(self, rows: Sequence[Any]) -> None:
        """What is to be told of these rows and is not in them, at once."""

    def _rows(self, queryset: QuerySet[Any]) -> Iterator[Row]:
        found = queryset.iterator(_ROWS_AT_ONCE)
        while rows := list(islice(found, _ROWS_AT_ONCE)):
            self.look_up(rows)
            yield from self.get_serializer(rows, many=True).data

    def _parameters(self) -> set[str]:
        known = super()._parameters()
        if wants_table(self.request) and self.paginator is not None:
            of_pages = self.paginator.get_schema_operation_parameters(self)
            known -= {parameter["name"] for parameter in of_pages}
        return known
