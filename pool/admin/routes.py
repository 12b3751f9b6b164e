"""Routes, in the order in which the edge matches them."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, F, IntegerField, Value, When
from django.db.models.functions import Length
from django.http import HttpRequest
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display

from pool.admin.base import ConfigurationAdmin
from pool.admin.relevance import RELEVANT_OF_ROUTE
from pool.admin.row_history import RowHistory
from pool.models import Route
from pool.sticky_cookies import advise as advise_on_cookies

# As `pool.snapshot.RouteSpec` says: the priority, then the more specific host,
# then the longer prefix. Of two wildcards that match a name, the longer one is
# the more specific; of exact hosts only one can match.
_HOST_CLASS = Case(
    When(host="", then=Value(2)),
    When(host__startswith="*.", then=Value(1)),
    default=Value(0),
    output_field=IntegerField(),
)
_WILDCARD_LENGTH = Case(
    When(host__startswith="*.", then=Length("host")),
    default=Value(0),
    output_field=IntegerField(),
)
MATCHING_ORDER = (
    F("priority").desc(),
    _HOST_CLASS.asc(),
    _WILDCARD_LENGTH.desc(),
    F("host").asc(),
    Length("path_prefix").desc(),
    F("path_prefix").asc(),
)


@admin.register(Route)
class RouteAdmin(RowHistory, ConfigurationAdmin):
    list_display = ("shown_host", "path_prefix", "pool", "stripped", "priority")
    list_display_links = ("shown_host", "path_prefix")
    list_select_related = ("pool",)
    list_filter = (("pool", RelatedDropdownFilter),)
    search_fields = ("host", "path_prefix", "pool__name")
    search_help_text = "Host, path prefix, or name of a pool"
    ordering = MATCHING_ORDER
    sortable_by = ()
    save_as = True
    conditional_fields = RELEVANT_OF_ROUTE
    list_before_template = "pool/admin/route_matching.html"
    fieldsets = (
        ("Matches", {"fields": (("host", "path_prefix"), "priority")}),
        ("Goes to", {"fields": (("pool", "strip_prefix"),)}),
        (
            "Rate limit",
            {
                "fields": (
                    ("rate_requests", "rate_period"),
                    ("rate_burst", "rate_key"),
                    "rate_scope",
                )
            },
        ),
        ("Headers, after the pool's rules", {"fields": (("request_headers", "response_headers"),)}),
    )

    def save_model(self, request: HttpRequest, obj: Route, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for sentence in advise_on_cookies(obj.pool):
            messages.warning(request, sentence)

    @display(description="Host")
    def shown_host(self, route: Route) -> str:
        return route.host or "any host"

    @display(description="Prefix stripped")
    def stripped(self, route: Route) -> str:
        return "yes" if route.strip_prefix else "no"
