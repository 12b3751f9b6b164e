"""The admin's front page: how everything is at this moment.

It joins what the apps may not ask of each other, such as pools and their traffic.
"""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from analytics.admin import requests_figure
from analytics.reports import Clock, traffic_report
from pool.admin.edges import EdgesNow
from pool.admin.figures import Figure
from pool.admin.health import (
    REDIS_AWAY,
    attach_outlooks,
    availability_badge,
    condition,
    outlook,
    why_not,
)
from pool.admin.history import events_table
from pool.models import Backend, Event, Pool
from pool.words import counted

POOLS = 20  # those with trouble first; the rest is one click away
EVENTS = 10


def add_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK. Nobody sees more here than on the screens behind it."""
    user = request.user
    figures: list[Figure] = []
    context["figures"] = figures
    if user.has_perm("pool.view_pool") and user.has_perm("pool.view_backend"):
        pools = _read_pools()
        figures.append(_pools_figure(pools))
        context["pools"] = _pools_table(pools) if pools else None
        context["may_begin"] = not pools and user.has_perm("pool.add_pool")
    if user.has_perm("pool.view_revision"):
        edges = EdgesNow.read()
        figures.append(_edges_figure(edges))
        context["edges"] = edges
    if user.has_perm("analytics.view_trafficrollup"):
        figures.append(_requests_figure())
    if user.has_perm("pool.view_event"):
        context["events"] = events_table(Event.objects.all()[:EVENTS])
    return context


def _read_pools() -> list[Pool]:
    pools = list(Pool.objects.prefetch_related("backends"))
    attach_outlooks(pools)
    return pools


def _pools_figure(pools: list[Pool]) -> Figure:
    backends = [backend for pool in pools for backend in pool.backends.all()]
    serving = sum(not why_not(backend) for backend in backends)
    known = all(condition(backend).known for backend in backends)
    figure = f"{serving} of {len(backends)}" if known else f"? of {len(backends)}"
    note = f"in {counted(len(pools), 'pool')}"
    return Figure("Backends available", figure, note, reverse("admin:pool_backend_changelist"))


def _edges_figure(edges: EdgesNow) -> Figure:
    link = reverse("admin:pool_edges")
    if edges.error:
        return Figure("Edge workers", "?", REDIS_AWAY, link)
    if not edges.edges:
        return Figure("Edge workers", "0", "nothing forwards traffic", link)
    note = f"{edges.lagging} behind what is saved" if edges.lagging else "all run what is saved"
    return Figure("Edge workers", str(len(edges.edges)), note, link)


def _requests_figure() -> Figure:
    link = reverse("admin:analytics_trafficrollup_changelist")
    report = traffic_report(Clock.read().last("5m"), step=None, percentiles=False)
    return requests_figure(report, link)


def _pools_table(pools: list[Pool]) -> dict[str, list[Any]]:
    return {
        "headers": ["Pool", "Backends available", "Outlook", "Out of rotation"],
        "rows": [_pool_row(pool) for pool in sorted(pools, key=_trouble)[:POOLS]],
    }


def _trouble(pool: Pool) -> tuple[bool, str]:
    """Sorts to the front what lacks a backend."""
    backends = pool.backends.all()
    return (bool(backends) and not any(map(why_not, backends)), pool.name)


def _pool_row(pool: Pool) -> list[Any]:
    backends: list[Backend] = list(pool.backends.all())
    link = reverse("admin:pool_pool_change", args=[pool.pk])
    missing = [f"{backend.name}: {why}" for backend in backends if (why := why_not(backend))]
    return [
        format_html('<a href="{}" class="text-link">{}</a>', link, pool.name),
        availability_badge(backends),
        outlook(pool),
        "; ".join(missing) or "-",
    ]
