"""Pools, with their backends in the same form."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.views import ChangeList

from pool.admin.backend_rows import BackendInline
from pool.admin.badges import ORANGE, badge
from pool.admin.base import ConfigurationAdmin, Deletion
from pool.admin.duplicate import DuplicateAction
from pool.admin.failover import FailoverActions
from pool.admin.health import attach_outlooks, availability_badge, outlook
from pool.admin.pool_tabs import TABS, advice_on, with_advice
from pool.admin.relevance import RELEVANT_IF
from pool.admin.row_history import RowHistory
from pool.models import Backend, Pool, Route


def _no_route(pool: Pool, *, may_add: bool) -> str:
    said = f"No route leads to {pool.name}: it gets no requests."
    if not may_add:
        return said
    link = f"{reverse('admin:pool_route_add')}?pool={pool.pk}"
    return format_html('{} <a href="{}" class="underline">Add a route</a>.', said, link)


class PoolChangeList(ChangeList):
    """Reads backends, routes and health once for all pools of the page."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Pool]:
        return super().get_queryset(*args, **kwargs).prefetch_related("backends", "routes")

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        attach_outlooks(self.result_list)


@admin.register(Pool)
class PoolAdmin(DuplicateAction, FailoverActions, RowHistory, ConfigurationAdmin):
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
    actions_detail: tuple[Any, ...] = (FailoverActions.failover_menu, "duplicate")
    fieldsets = TABS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pool]:
        """A change of a backend counts as one of its pool: that is where it was edited."""
        newest_backend = Coalesce(Max("backends__updated_at"), F("updated_at"))
        pools = super().get_queryset(request)
        return pools.annotate(changed_at=Greatest(F("updated_at"), newest_backend))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PoolChangeList

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        pool = kwargs.get("obj")
        if pool is not None:
            form = context["adminform"]
            form.fieldsets = with_advice(form.fieldsets, pool)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, *args: Any, **kwargs: Any) -> None:
        """With its backends saved, the pool is what the advice is about."""
        super().save_related(request, form, *args, **kwargs)
        for sentence in advice_on(form.instance, form.changed_data):
            messages.warning(request, sentence)
        if not form.instance.routes.exists():
            may_add = request.user.has_perm("pool.add_route")
            messages.warning(request, _no_route(form.instance, may_add=may_add))

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
        routes = ", ".join(str(route) for route in pool.routes.all())
        return routes or badge("none", ORANGE, "It gets no requests until a route leads to it.")

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
