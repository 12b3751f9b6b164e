"""Probes and events as data for unfold's tables, on the pages of what they tell of."""

from typing import Any

from django.db.models import QuerySet
from django.utils.formats import localize
from django.utils.timezone import localtime

from pool.admin.badges import state_badge
from pool.choices import ProbeResult
from pool.models import Backend, Event, HealthRecord
from pool.words import counted

BAR = 60  # probes in the bar, the oldest first
ROWS = 10

_BAR_COLOURS: dict[str, str] = {
    ProbeResult.PASS: "bg-green-500",
    ProbeResult.SLOW: "bg-orange-500",
    ProbeResult.FAIL: "bg-red-500",
}

HEADERS = ["At", "Result", "Status", "Latency", "State after it", "Reason"]

Table = dict[str, list[Any]]


def recent_probes(backend: Backend) -> dict[str, Any]:
    records = list(backend.health_records.all()[:BAR])
    return {
        "bar": [_bar_item(record) for record in reversed(records)],
        "table": {
            "headers": HEADERS,
            "rows": [probe_row(record) for record in records[:ROWS]],
        },
    }


def recent_events(backend: Backend) -> Table:
    return events_table(backend.events.all()[:ROWS])


def events_table(events: QuerySet[Event]) -> Table:
    return {
        "headers": ["At", "Severity", "What", "Who"],
        "rows": [
            [local(event.at), state_badge(event.severity), event.message, event.actor or "-"]
            for event in events
        ],
    }


def latency_text(record: HealthRecord) -> str:
    return "-" if record.latency_ms is None else f"{record.latency_ms:.1f} ms"


def _bar_item(record: HealthRecord) -> dict[str, str]:
    outcome = record.reason or latency_text(record)
    return {
        "color": _BAR_COLOURS.get(record.result, ""),
        "tooltip": f"{local(record.at)}: {record.result}, {outcome}",
    }


def probe_row(record: HealthRecord) -> list[Any]:
    return [
        local(record.at),
        state_badge(record.result),
        record.status or "-",
        latency_text(record),
        state_badge(record.state),
        reason_text(record),
    ]


def reason_text(record: HealthRecord) -> str:
    said = [record.reason] if record.reason else []
    if record.excerpt:
        said.append(f"“{record.excerpt}”")
    if record.omitted:
        said.append(f"{counted(record.omitted, 'more pass', 'more passes')} before it")
    return "; ".join(said) or "-"


def local(at: Any) -> str:
    return localize(localtime(at))
