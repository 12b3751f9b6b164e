"""What all that is changed over REST has in common: the model's rules, and transactions."""

from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from pool.api.errors import model_errors_as_answers
from pool.api.fields import NamedChoiceField
from pool.api.pagination import Page
from pool.api.permissions import ModelPermissions
from pool.api.strict import KnownFields, KnownParameters, KnownRows
from pool.choices import HeaderAction
from pool.fields import HeaderRulesField, NormalisedCharField


class HeaderRuleSerializer(serializers.Serializer):
    """Describes one rule; the model's field checks it."""

    action = serializers.ChoiceField(choices=[action.value for action in HeaderAction])
    name = serializers.CharField()
    value = serializers.CharField(required=False, help_text="Not with remove.")


@extend_schema_field(HeaderRuleSerializer(many=True))
class HeaderRulesSerializerField(serializers.JSONField):
    """A list of rules, passed on as it came."""


# Without a docstring, which the API's description would repeat for each of its heirs.
class SavingSerializer(KnownFields, serializers.ModelSerializer):
    serializer_field_mapping: ClassVar[dict[type[models.Field], type[serializers.Field]]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        HeaderRulesField: HeaderRulesSerializerField,
    }
    serializer_choice_field = NamedChoiceField

    def build_standard_field(
        self, field_name: str, model_field: Any
    ) -> tuple[type[serializers.Field], dict[str, Any]]:
        """Told with what is wrong with the other fields, and not only once these are right."""
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        if isinstance(model_field, NormalisedCharField):
            kwargs["validators"] = [*kwargs.get("validators", ()), model_field.spelling]
        return field_class, kwargs

    def save(self, **kwargs: Any) -> Any:
        with model_errors_as_answers():
            return super().save(**kwargs)


class SavingViewSet(KnownParameters, KnownRows, viewsets.ModelViewSet):
    """Each request that changes something is one transaction, and locks what it changes.

    So of two partial updates at once, neither undoes the other.
    """

    permission_classes = [ModelPermissions]
    pagination_class = Page

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        if self.action in ("update", "partial_update", "destroy"):
            return queryset.select_for_update(of=("self",))
        return queryset

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            return super().create(request, *args, **kwargs)

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            return super().update(request, *args, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic(), model_errors_as_answers():
            return super().destroy(request, *args, **kwargs)
