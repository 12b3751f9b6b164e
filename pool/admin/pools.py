"""Pools, with their backends in the same form."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import label_for_field
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.forms import PaginationInlineFormSet
from unfold.views import ChangeList

from pool.admin.base import ConfigurationAdmin, Deletion
from pool.admin.duplicate import DuplicateAction
from pool.admin.failover import FailoverActions
from pool.admin.failover import advise as advise_on_tiers
from pool.admin.health import (
    attach_conditions,
    attach_outlooks,
    availability_badge,
    condition,
    outlook,
)
from pool.admin.relevance import RELEVANT_IF
from pool.circuits.advice import advise as advise_on_circuits
from pool.models import Backend, Pool, Route
from pool.outliers.advice import advise as advise_on_outliers
from pool.policies import (
    BALANCING,
    CIRCUIT,
    HEALTH,
    LIMITS,
    OUTLIER,
    RETRY,
    STICKY,
    TIERS,
    TIMEOUTS,
    PolicyGroup,
)
from pool.snapshot import PoolSpec
from pool.sticky_cookies import advise as advise_on_cookies

Tab = tuple[str, dict[str, Any]]

FAILOVER_TAB = "Failover"
CIRCUIT_TAB = "Circuit breaker"
OUTLIER_TAB = "Outliers"
STICKY_TAB = "Stickiness"

LISTENER_SETTINGS = (
    "A request that does not come in time is answered with 408; what a backend is too slow for, "
    "and a request that takes too long as a whole, with 504. "
    "Before a request's pool is known, limits of the whole edge apply. They are set in its "
    "environment, in seconds: LB_REQUEST_HEAD_TIMEOUT (10; 408), LB_KEEP_ALIVE_TIMEOUT (75) and "
    "LB_TUNNEL_TIMEOUT (3600); in bytes: LB_MAX_REQUEST_LINE (8192; 414) and LB_MAX_REQUEST_HEAD "
    "(65536; 431); LB_MAX_REQUEST_FIELDS (100; 431); and LB_MAX_CONNECTIONS of one worker "
    "(10000; 503)."
)


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
        return condition(backend).badge


def _policy_tab(title: str, *policies: PolicyGroup[Any], about: str = "", first: str = "") -> Tab:
    """All columns of the policies: a switch, if one has it, and then two in a row.

    `first`: what to show above them.
    """
    rows: list[Any] = [first] if first else []
    for policy in policies:
        names = list(policy.columns.values())
        rows += [names.pop(0)] if "enabled" in policy.columns else []
        rows += [tuple(names[index : index + 2]) for index in range(0, len(names), 2)]
    return title, {"classes": ["tab"], "description": about, "fields": rows}


_HEADERS_AND_TLS: Tab = (
    "Headers & TLS",
    {
        "classes": ["tab"],
        "fields": (
            "host_header",
            ("forwarded_header", "request_id_header"),
            ("request_headers", "response_headers"),
            ("tls_server_name", "tls_verify"),
            "tls_ca",
        ),
    },
)


def _compile(pool: Pool) -> PoolSpec:
    return pool.compile(backend.compile() for backend in pool.backends.all())


# What the settings of a tab come to, and how the names of its columns begin.
_ADVICE: dict[str, tuple[str, Callable[[Pool], list[str]]]] = {
    STICKY_TAB: ("sticky_", advise_on_cookies),
    CIRCUIT_TAB: ("circuit_", lambda pool: advise_on_circuits(_compile(pool))),
    OUTLIER_TAB: ("outlier_", lambda pool: advise_on_outliers(_compile(pool))),
}


class PoolChangeList(ChangeList):
    """Reads backends, routes and health once for all pools of the page."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Pool]:
        return super().get_queryset(*args, **kwargs).prefetch_related("backends", "routes")

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        attach_outlooks(self.result_list)


@admin.register(Pool)
class PoolAdmin(DuplicateAction, FailoverActions, ConfigurationAdmin):
    list_display = (
        *("name", "shown_algorithm", "available", "what_is_left"),
        *("routes_to_it", "last_change"),
    )
    list_filter = (("algorithm", ChoicesDropdownFilter),)
    search_fields = ("name", "backends__name", "backends__url")
    search_help_text = "Name of a pool, or name or URL of one of its backends"
    inlines = (BackendInline,)
    conditional_fields = RELEVANT_IF
    readonly_fields = ("traffic_now",)
    actions_detail = (FailoverActions.failover_menu, "duplicate")
    fieldsets = (
        ("General", {"classes": ["tab"], "fields": ("name", "algorithm")}),
        _policy_tab("Balancing", BALANCING),
        _policy_tab(FAILOVER_TAB, TIERS, first="traffic_now"),
        _policy_tab(STICKY_TAB, STICKY),
        _policy_tab("Health checks", HEALTH),
        _policy_tab("Timeouts & limits", TIMEOUTS, LIMITS, about=LISTENER_SETTINGS),
        _policy_tab("Retries", RETRY),
        _policy_tab(CIRCUIT_TAB, CIRCUIT),
        _policy_tab(OUTLIER_TAB, OUTLIER),
        _HEADERS_AND_TLS,
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pool]:
        """A change of a backend counts as one of its pool: that is where it was edited."""
        newest_backend = Coalesce(Max("backends__updated_at"), F("updated_at"))
        pools = super().get_queryset(request)
        return pools.annotate(changed_at=Greatest(F("updated_at"), newest_backend))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PoolChangeList

    def get_fieldsets(self, request: HttpRequest, obj: Pool | None = None) -> Any:
        """Says where a policy is set what that comes to in this pool."""
        if obj is None:
            return self.fieldsets
        told = {title: " ".join(advise(obj)) for title, (_, advise) in _ADVICE.items()}
        told[FAILOVER_TAB] = advise_on_tiers(obj)
        return tuple(
            (title, tab | {"description": told.get(title, tab.get("description", ""))})
            for title, tab in self.fieldsets
        )

    def save_related(self, request: HttpRequest, form: Any, *args: Any, **kwargs: Any) -> None:
        """With its backends saved, the pool is what the advice is about."""
        super().save_related(request, form, *args, **kwargs)
        for prefix, advise in _ADVICE.values():
            if any(name.startswith(prefix) for name in form.changed_data):
                for sentence in advise(form.instance):
                    messages.warning(request, sentence)

    @display(description="Algorithm", ordering="algorithm")
    def shown_algorithm(self, pool: Pool) -> str:
        return pool.get_algorithm_display()

    @display(description="Backends available")
    def available(self, pool: Pool) -> str:
        return availability_badge(pool.backends.all())

    @display(description="Outlook")
    def what_is_left(self, pool: Pool) -> str:
        return outlook(pool)

    @display(description="Routes")
    def routes_to_it(self, pool: Pool) -> str:
        return ", ".join(str(route) for route in pool.routes.all())

    @display(description="Last change", ordering="changed_at")
    def last_change(self, pool: Any) -> Any:
        return pool.changed_at

    def describe_deletion(self, pools: Iterable[Pool], request: HttpRequest) -> Deletion:
        pools = list(pools)
        backends = Backend.objects.filter(pool__in=pools).select_related("pool")
        may_delete = request.user.has_perm("pool.delete_backend")
        return Deletion(
            tree=[f"Pool {pool}" for pool in pools] + [[f"Backend {row}" for row in backends]],
            counts={"pools": len(pools), "backends": len(backends)},
            missing_rights=set() if may_delete or not backends else {"backend"},
            protected=[f"Route {route}" for route in Route.objects.filter(pool__in=pools)],
        )
