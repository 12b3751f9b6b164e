"""What every report says first: the time that it is about."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from analytics.reports.bins import Bins
from analytics.reports.span import Span


@dataclass(frozen=True)
class Heading:
    """`since` is None for everything, `step` without a series, `period` "" for a range.

    `notes` say where the time is not exactly what was asked for.
    """

    period: str
    since: datetime | None
    until: datetime
    running: bool
    timezone: str
    step: str | None
    notes: tuple[str, ...]


class HeadingFields(TypedDict):
    period: str
    since: datetime | None
    until: datetime
    running: bool
    timezone: str
    step: str | None
    notes: tuple[str, ...]


def heading(span: Span, bins: Bins | None = None) -> HeadingFields:
    return {
        "period": span.period,
        "since": span.since,
        "until": span.until,
        "running": span.running,
        "timezone": str(span.zone),
        "step": bins.step if bins else None,
        "notes": span.notes + (bins.notes if bins else ()),
    }
