"""The page "Why is it down?" of a backend."""

from datetime import datetime
from math import floor
from typing import Any

from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action

from pool.admin.badges import GREEN, GREY, ORANGE, RED, badge, state_badge
from pool.admin.base import StyledAdmin
from pool.admin.charts import LEGEND, draw_day
from pool.admin.figures import Figure
from pool.admin.history import HEADERS, local, probe_row
from pool.choices import HealthState
from pool.history.explanation import Explanation, Fact, Told, explain
from pool.history.export import TABLES, csv_response
from pool.history.reading import SPANS, Past
from pool.models import Backend, Event
from pool.obstacles import Obstacle, Remark, short
from pool.words import length

_COLOURS: dict[str, str] = {
    HealthState.HEALTHY: GREEN,
    HealthState.DEGRADED: ORANGE,
    HealthState.UNKNOWN: GREY,
    Obstacle.LOWER_TIER: GREEN,
    Obstacle.STAND_IN: GREEN,
    Remark.REDIS_AWAY: GREY,
    Obstacle.CIRCUIT_TRIED: ORANGE,
    Obstacle.DRAINING: ORANGE,
    Obstacle.MAINTENANCE: GREY,
}
# What keeps it from new requests because somebody wants it so.
_BY_ORDER = frozenset(
    {
        Obstacle.LOWER_TIER,
        Obstacle.STAND_IN,
        Obstacle.DRAINING,
        Obstacle.MAINTENANCE,
        Obstacle.NO_WEIGHT,
    }
)
_SPAN_NAMES = {"1h": "hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}


class WhyAction(StyledAdmin):
    """For the backends' screen."""

    @action(description="Why is it down?", icon="help", permissions=["view"], url_path="health")
    def why(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        backend = _find(object_id)
        wanted = request.GET.get("export", "")
        if wanted:
            if wanted not in TABLES:
                raise Http404(f"There is no export {wanted}; choose {' or '.join(TABLES)}.")
            return csv_response(backend, wanted)
        explanation = explain(backend, timezone.now())
        context = {
            **self.admin_site.each_context(request),
            "title": _title(explanation),
            "explanation": explanation,
            "badge": _badge(explanation),
            "facts": [(fact, _lasts(fact, explanation.now)) for fact in explanation.facts],
            "day": draw_day(explanation.past),
            "figures": _figures(explanation.past),
            "probes": {
                "headers": HEADERS,
                "rows": [probe_row(record) for record in explanation.probes],
            },
            "events": events_with_causes(explanation.events),
            "exports": [(name, table.label) for name, table in TABLES.items()],
            "legend": LEGEND,
        }
        return TemplateResponse(request, "pool/admin/why.html", context)


def _title(explanation: Explanation) -> str:
    """The question that the page answers: who waits or is drained is not down."""
    backend, stops = explanation.backend, explanation.stops
    if not stops:
        return f"How is {backend}?"
    if explanation.state in _BY_ORDER:
        return f"Why does {backend} get no new requests?"
    return f"Why is {backend} down?"


def _lasts(fact: Fact, now: datetime) -> str:
    return length((now - fact.since).total_seconds()) if fact.since else ""


def events_with_causes(events: list[Told]) -> dict[str, list[Any]]:
    return {
        "headers": ["At", "Severity", "What", "Because of", "Who"],
        "rows": [
            [
                event_link(told.event, local(told.event.at)),
                state_badge(told.event.severity),
                told.event.message,
                event_link(told.cause, told.cause.message) if told.cause else "-",
                told.event.actor or "-",
            ]
            for told in events
        ],
    }


def event_link(event: Event, text: str) -> str:
    link = reverse("admin:pool_event_change", args=[event.pk])
    return format_html('<a href="{}" class="text-link">{}</a>', link, text)


def _find(object_id: str) -> Backend:
    backends = Backend.objects.select_related("pool", "backup_of")
    backend = backends.filter(pk=unquote(object_id)).first() if object_id.isdecimal() else None
    if backend is None:
        raise Http404(f"There is no backend {object_id}.")
    return backend


def _badge(explanation: Explanation) -> str:
    state = explanation.state
    return badge(short(state), _COLOURS.get(state, RED))


def _figures(past: Past) -> list[Figure]:
    figures = [_uptime(past, name) for name in SPANS]
    repairs, month = past.repairs, past.spans["30d"]
    mttr = "-" if repairs.mean is None else length(repairs.mean)
    figures.append(Figure("Mean time to repair", mttr, f"of {repairs.count} in 30 days"))
    flaps = past.spans["24h"].flaps
    return [*figures, Figure("Went down", f"{flaps}", f"in 24 hours, {month.flaps} in 30 days")]


def _uptime(past: Past, name: str) -> Figure:
    tally, span = past.spans[name], SPANS[name].total_seconds()
    title = f"Uptime, {_SPAN_NAMES[name]}"
    if tally.uptime is None:
        return Figure(title, "-", "not probed")
    note = f"down for {length(tally.down)}" if tally.down else "never down"
    if tally.known < 0.99 * span:
        note += f"; known for {length(tally.known)}"
    return Figure(title, percent(tally.uptime), note)


def percent(value: float) -> str:
    """Rounded down: whoever reads 100 believes that nothing was."""
    scale = 1000 if value >= 99.9 else 100
    return f"{floor(value * scale) / scale:g} %"
