"""The backends of a pool as rows of its form."""

from typing import Any

from django.contrib.admin.utils import label_for_field
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.forms import PaginationInlineFormSet

from pool.admin.health import attach_conditions, condition
from pool.models import Backend


class BackendFormSet(PaginationInlineFormSet):
    """Reads the health of all its rows at once."""

    def get_queryset(self) -> QuerySet[Backend]:
        is_new = not hasattr(self, "_queryset")
        queryset = super().get_queryset()
        if is_new:
            attach_conditions(queryset)
        return queryset

    def get_unique_error_message(self, unique_check: Any) -> str:
        return "Two backends have the same name."

    def get_form_error(self) -> str:
        return "name: another row has this name; choose another one."


class BackendRowForm(ModelForm):
    def clean(self) -> dict[str, Any]:
        """Names the row: two rows left without a name are not duplicates of each other."""
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("name"):
            cleaned["name"] = Backend.name_from_url(cleaned.get("url", ""))
        return cleaned

    def add_error(self, field: str | None, error: Any) -> None:
        """What is wrong with a setting that the row does not show is told of the row."""
        errors = getattr(error, "error_dict", None)
        if field is not None or errors is None:
            super().add_error(field, error)
            return
        for name, problems in errors.items():
            if name in self.fields or name == NON_FIELD_ERRORS:
                super().add_error(name if name in self.fields else None, problems)
            else:
                label = capfirst(str(label_for_field(name, Backend)))
                for message in ValidationError(problems).messages:
                    super().add_error(None, f"{label} of this backend: {message}")


class BackendInline(TabularInline):
    model = Backend
    form = BackendRowForm
    formset = BackendFormSet
    fields = ("name", "url", "weight", "tier", "max_connections", "admin_state", "health")
    readonly_fields = ("health",)
    extra = 0
    hide_title = True
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backend]:
        return super().get_queryset(request).select_related("pool")

    @display(description="Health")
    def health(self, backend: Backend) -> str:
        """With the way to the page that explains it, which the row has no room for."""
        told = condition(backend).badge
        if backend.pk is None:
            return told
        link = reverse("admin:pool_backend_why", args=[backend.pk])
        return format_html('<a href="{}">{}</a>', link, told)
