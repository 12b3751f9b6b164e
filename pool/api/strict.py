"""A name that nothing has is refused: misspelt, it would be answered as if it were not there."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, ClassVar

from django.http import Http404
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.utils.html import is_html_input

# Whose parts a form has as inputs of their own: kinds[0], headers.Cookie.
_PARTED = (serializers.ListField, serializers.DictField, serializers.BaseSerializer)


# Without docstrings, which the API's description would repeat for each of their heirs.
class KnownFields(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        """What can only be read is let through, so that what was read can be sent back."""
        if isinstance(data, Mapping):
            self._refuse_unknown(data)
        return super().to_internal_value(data)

    def _refuse_unknown(self, data: Mapping[Any, Any]) -> None:
        unknown = [name for name in map(str, data) if name not in self.fields]
        if is_html_input(data):
            _refuse_json(unknown)
            unknown = [name for name in unknown if not self._is_of_a_form(name)]
        writable = [name for name, field in self.fields.items() if not field.read_only]
        errors = {
            name: [f"There is no such field{_meant(name, writable) or '.'}"] for name in unknown
        }
        if errors:
            raise serializers.ValidationError(errors)

    def _is_of_a_form(self, name: str) -> bool:
        """Whether REST framework takes it from a form, beside the names of the fields."""
        whole = re.split(r"[.\[]", name, maxsplit=1)[0]
        return name == "csrfmiddlewaretoken" or isinstance(self.fields.get(whole), _PARTED)


class KnownParameters(GenericAPIView[Any]):
    # The parameters that the view itself reads, beside those of its filters and of its pages.
    query_class: ClassVar[type[serializers.Serializer[Any]] | None] = None
    further_parameters: ClassVar[tuple[str, ...]] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """For whoever may ask at all."""
        super().initial(request, *args, **kwargs)
        known = sorted(self._parameters())
        there_are = f" There are: {', '.join(known)}."
        errors = {
            name: [f"There is no such parameter{_meant(name, known) or '.'}{there_are}"]
            for name in request.query_params
            if name not in known
        }
        if errors:
            raise serializers.ValidationError(errors)

    def _parameters(self) -> set[str]:
        known = {api_settings.URL_FORMAT_OVERRIDE, *self.further_parameters}
        if self.query_class is not None:
            known.update(self.query_class().fields)
        if filters := getattr(self, "filterset_class", None):
            known.update(filters.base_filters)
        if self.paginator is not None and not getattr(self, "detail", False):
            described = self.paginator.get_schema_operation_parameters(self)
            known.update(parameter["name"] for parameter in described)
        return known


class KnownRows(GenericAPIView[Any]):
    def get_object(self) -> Any:
        """Says what there is none of, and under which name it was looked for."""
        try:
            return super().get_object()
        except Http404 as error:
            asked = self.kwargs[self.lookup_url_kwarg or self.lookup_field]
            kind = self.get_queryset().model._meta.verbose_name
            raise NotFound(f"There is no {kind} {asked}.") from error


def _refuse_json(names: Iterable[str]) -> None:
    """Sent as a form, which is curl's way, a whole document comes as the name of an input."""
    if any(name.lstrip().startswith(("{", "[")) for name in names):
        text = "This is JSON; send it with the header Content-Type: application/json."
        raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [text]})


def _meant(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
