"""Backends of all pools: what to do with one, and how it has been."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import action, display
from unfold.views import ChangeList

from pool.admin.badges import state_badge
from pool.admin.base import ConfigurationAdmin, Deletion, warn_of_waiting_revision
from pool.admin.circuits import CircuitActions
from pool.admin.dialogs import RowForm, done, question
from pool.admin.ejections import EjectionDisplay
from pool.admin.health import attach_conditions, condition
from pool.admin.history import recent_events, recent_probes
from pool.admin.overrides import OVERRIDES_FIELDSET, show_pools_values
from pool.admin.row_history import RowHistory
from pool.admin.why import WhyAction
from pool.choices import HealthState
from pool.models import Backend
from pool.refusals import in_words

Verb = Callable[..., None]


class HealthFilter(DropdownFilter):
    """By live health, which is in Redis and not in the database."""

    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.value.capitalize()) for state in HealthState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Backend]) -> QuerySet[Backend]:
        if not self.value():
            return queryset
        backends = list(queryset.select_related("pool"))
        attach_conditions(backends)
        states = {row.pk: condition(row).state for row in backends}
        return queryset.filter(pk__in=[pk for pk, state in states.items() if state == self.value()])


def _primaries(request: HttpRequest) -> QuerySet[Backend]:
    """Those that the backend of this page may stand in for; all pools' while it has none yet."""
    primaries = Backend.objects.filter(backup_of=None).select_related("pool")
    match = request.resolver_match
    page = match.kwargs.get("object_id") if match is not None else None
    if page is None:
        return primaries
    own = Backend.objects.filter(pk=unquote(page))
    return primaries.filter(pool__in=own.values("pool")).exclude(pk__in=own.values("pk"))


class BackendChangeList(ChangeList):
    """Reads the health of all its rows at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        attach_conditions(self.result_list)


@admin.register(Backend)
class BackendAdmin(WhyAction, CircuitActions, EjectionDisplay, RowHistory, ConfigurationAdmin):
    list_display = ("name", "pool", "url", "weight", "tier", "admin_state_shown", "health")
    list_select_related = ("pool",)
    list_filter = (
        ("pool", RelatedDropdownFilter),
        ("admin_state", ChoicesDropdownFilter),
        HealthFilter,
    )
    search_fields = ("name", "url", "pool__name")
    search_help_text = "Name or URL of a backend, or name of its pool"
    readonly_fields = (
        *("health", "health_reason"),
        *CircuitActions.circuit_fields,
        *EjectionDisplay.ejection_fields,
    )
    add_fieldsets = (
        (None, {"fields": (("pool", "name"), ("url", "admin_state"))}),
        (
            "Share of the traffic",
            {"fields": (("weight", "tier"), ("max_connections", "backup_of"))},
        ),
        OVERRIDES_FIELDSET,
        ("Notes", {"fields": ("metadata",)}),
    )
    fieldsets = (
        (
            "Health",
            {
                "fields": (
                    ("health", "health_reason"),
                    CircuitActions.circuit_fields,
                    EjectionDisplay.ejection_fields,
                )
            },
        ),
        *add_fieldsets,
    )
    actions = ("drain_selected", "enable_selected", "maintain_selected")
    actions_row = ("why", "drain", "enable", "maintain")
    state_menu = {
        "title": "State",
        "icon": "power_settings_new",
        "items": ["drain", "enable", "maintain"],
    }
    actions_detail: tuple[Any, ...] = ("why", state_menu, CircuitActions.circuit_menu)
    change_form_outer_after_template = "pool/admin/backend_history.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BackendChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backend]:
        return super().get_queryset(request).select_related("pool")

    def get_form(
        self, request: HttpRequest, obj: Backend | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, *args, **kwargs)
        show_pools_values(form, obj.pool if obj is not None else None)
        return form

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "metadata":
            field.widget.attrs["rows"] = 3
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "backup_of":
            kwargs["queryset"] = _primaries(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        backend = super().get_object(request, object_id, from_field)
        if backend is not None:
            attach_conditions([backend])
        return backend

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        backend = kwargs.get("obj")
        if backend is not None:
            context |= {"probes": recent_probes(backend), "events": recent_events(backend)}
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="State", ordering="admin_state")
    def admin_state_shown(self, backend: Backend) -> str:
        return state_badge(backend.admin_state)

    @display(description="Health")
    def health(self, backend: Backend) -> str:
        return condition(backend).badge

    @display(description="Because")
    def health_reason(self, backend: Backend) -> str:
        return condition(backend).reason

    @action(description="Drain selected backends", permissions=["change"])
    def drain_selected(self, request: HttpRequest, queryset: QuerySet[Backend]) -> None:
        self._run(request, Backend.drain, queryset)

    @action(description="Enable selected backends", permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Backend]) -> None:
        self._run(request, Backend.enable, queryset)

    @action(description="Put selected backends into maintenance", permissions=["change"])
    def maintain_selected(self, request: HttpRequest, queryset: QuerySet[Backend]) -> None:
        self._run(request, Backend.maintain, queryset)

    @action(
        description="Drain",
        icon="hourglass_bottom",
        permissions=["change"],
        dialog=question("Drain", "It finishes the requests it has and gets no new ones.", Backend),
    )
    def drain(self, request: HttpRequest, form: RowForm, object_id: str) -> HttpResponse:
        return self._run_on_one(request, Backend.drain, form.row)

    @action(
        description="Enable",
        icon="play_arrow",
        permissions=["change"],
        dialog=question("Enable", "It gets its share of the traffic from now on.", Backend),
    )
    def enable(self, request: HttpRequest, form: RowForm, object_id: str) -> HttpResponse:
        return self._run_on_one(request, Backend.enable, form.row)

    @action(
        description="Maintenance",
        icon="build",
        permissions=["change"],
        dialog=question("Maintain", "It gets no new requests and is not probed.", Backend),
    )
    def maintain(self, request: HttpRequest, form: RowForm, object_id: str) -> HttpResponse:
        return self._run_on_one(request, Backend.maintain, form.row)

    def describe_deletion(self, rows: Iterable[Backend], request: HttpRequest) -> Deletion:
        rows = list(rows)
        left = Backend.objects.filter(backup_of__in=rows).exclude(pk__in=[row.pk for row in rows])
        protected = [f"Backend {row}, its stand-in" for row in left.select_related("pool")]
        return replace(super().describe_deletion(rows, request), protected=protected)

    def _run_on_one(self, request: HttpRequest, verb: Verb, backend: Backend) -> HttpResponse:
        self._run(request, verb, [backend])
        warn_of_waiting_revision(request)
        return done(request, "admin:pool_backend_changelist")

    def _run(self, request: HttpRequest, verb: Verb, backends: Iterable[Backend]) -> None:
        """One transaction, and therefore one revision, however many there are."""
        try:
            with transaction.atomic():
                for backend in backends:
                    verb(backend, by=request.user)
                    self.log_change(request, backend, f"Made it {backend.admin_state}.")
        except ValidationError as error:
            text = in_words(error)
            messages.error(request, f"Nothing changed, because {backend} is not valid: {text}")
            return
        states = ", ".join(f"{backend} is {backend.admin_state}" for backend in backends)
        messages.success(request, f"{states}." if states else "Nothing was selected.")
