"""The admin's sidebar."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from proxy.explain.api import RIGHTS as EXPLAIN_RIGHTS


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of links; unfold leaves out what the user may not see, and empty groups."""
    return [
        {"items": [_page(request, "Overview", "space_dashboard", "admin:index")]},
        {
            "title": "Load balancing",
            "items": [
                _model(request, "Pools", "lan", "pool.pool"),
                _model(request, "Backends", "dns", "pool.backend"),
                _model(request, "Routes", "alt_route", "pool.route"),
                _page(request, "Explain", "route", "explain_page", *EXPLAIN_RIGHTS),
            ],
        },
        {
            "title": "What happened",
            "items": [
                _model(request, "Traffic", "monitoring", "analytics.trafficrollup"),
                _model(request, "Requests", "swap_horiz", "analytics.requestrecord"),
                _model(request, "Events", "timeline", "pool.event"),
                _model(request, "Health records", "monitor_heart", "pool.healthrecord"),
                _model(request, "Revisions", "history", "pool.revision"),
            ],
        },
        {
            "title": "Alerts",
            "items": [
                _model(request, "Alerts", "notifications", "pool.alert"),
                _model(request, "Rules", "rule", "pool.alertrule"),
                _model(request, "Channels", "send", "pool.alertchannel"),
                _model(request, "Deliveries", "mail", "pool.alertdelivery"),
            ],
        },
        {
            "title": "Running",
            "items": [
                _page(request, "Edges", "hub", "admin:pool_edges", "pool.view_revision"),
                _page(request, "API documentation", "api", "docs"),
            ],
        },
        {
            "title": "Access",
            "items": [
                _model(request, "Users", "person", "auth.user"),
                _model(request, "Groups", "group", "auth.group"),
            ],
        },
    ]


def _model(request: HttpRequest, title: str, icon: str, model: str) -> dict[str, Any]:
    app_label, name = model.split(".")
    link = reverse(f"admin:{app_label}_{name}_changelist")
    edges = reverse("admin:pool_edges")
    return {
        "title": title,
        "icon": icon,
        "link": link,
        "active": request.path.startswith(link) and request.path != edges,
        "permission": lambda request: request.user.has_perm(f"{app_label}.view_{name}"),
    }


def _page(
    request: HttpRequest, title: str, icon: str, url_name: str, *permissions: str
) -> dict[str, Any]:
    link = reverse(url_name)
    return {
        "title": title,
        "icon": icon,
        "link": link,
        "active": request.path == link,
        "permission": lambda request: request.user.has_perms(permissions),
    }
