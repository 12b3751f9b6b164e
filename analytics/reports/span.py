"""The time that a report is about, out of what somebody asked for.

A span begins and ends at boundaries of the narrowest level that still has its buckets:
`notes` say where that is not what was asked for. One that runs until now has an open
end, so that the widest buckets are read, and its `end` is that of the newest narrow one.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.utils import timezone

from analytics.levels import DAY, EVER, HOUR, MINUTE, RETENTION, TEN_SECONDS, Segment, floor
from analytics.reports.cover import Kept, ceil, cover


class Period(NamedTuple):
    seconds: int | None  # None: everything
    finest: int  # the level at which it starts


PERIODS = {
    "5m": Period(5 * MINUTE, TEN_SECONDS),
    "30m": Period(30 * MINUTE, TEN_SECONDS),
    "1h": Period(HOUR, TEN_SECONDS),
    "6h": Period(6 * HOUR, MINUTE),
    "24h": Period(DAY, MINUTE),
    "7d": Period(7 * DAY, HOUR),
    "30d": Period(30 * DAY, HOUR),
    "all": Period(None, DAY),
}
DEFAULT_PERIOD = "1h"

_IN_WORDS = {TEN_SECONDS: "10 seconds", MINUTE: "a minute", HOUR: "an hour", DAY: "a day (UTC)"}

_UNIX = re.compile(r"\d{9,11}(\.\d+)?", re.ASCII)
_MILLISECONDS = re.compile(r"\d{12,}", re.ASCII)
_LAST = datetime(2100, 1, 1, tzinfo=UTC)  # beyond which nobody means what they wrote


class BadParameter(ValueError):
    """What cannot be reported. `name` is the parameter's; the text says what to give."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass(frozen=True)
class Span:
    """`start` and `end` in Unix seconds; `period` is "" for a range."""

    period: str
    start: int
    end: int
    running: bool
    zone: tzinfo
    kept: Kept
    notes: tuple[str, ...] = ()

    @property
    def since(self) -> datetime | None:
        """None for everything."""
        return self.at(self.start) if self.start else None

    @property
    def until(self) -> datetime:
        return self.at(self.end)

    @property
    def seconds(self) -> int:
        return self.end - self.start

    def at(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, self.zone)

    def segments(self) -> list[Segment]:
        if not self.start and self.running:
            return [Segment(EVER, 0, None)]
        return cover(self.start, None if self.running else self.end)


@dataclass(frozen=True)
class Clock:
    """What a span is worked out by: the time, the zone of what is asked, what is kept."""

    now: datetime
    zone: tzinfo
    kept: Kept

    @classmethod
    def read(cls, zone: str = "", now: datetime | None = None) -> "Clock":
        """By the settings; BadParameter if there is no such zone."""
        now = now or timezone.now()
        retention = getattr(settings, *RETENTION)
        return cls(now, parse_zone(zone), Kept.at(int(now.timestamp()), retention))

    def last(self, period: str) -> Span:
        """One of `PERIODS`, until now."""
        if period not in PERIODS:
            known = ", ".join(PERIODS)
            raise BadParameter("period", f"“{period}” is not a period; give one of {known}.")
        seconds, finest = PERIODS[period]
        now = int(self.now.timestamp())
        if seconds is None:
            return Span(period, 0, self._end_of_now(), True, self.zone, self.kept)
        return self._span(period, now - seconds, self._end_of_now(), finest, running=True)

    def between(self, start: float, end: float | None = None) -> Span:
        """A range as exact as what is kept allows; no end, or one to come: until now."""
        now = self.now.timestamp()
        running = end is None or end >= now
        stop = self._end_of_now() if end is None or running else math.ceil(end)
        if start >= now:
            raise BadParameter("from", f"{self._show(start)} is not in the past.")
        if start >= stop:
            text = f"{self._show(start)} is not before the end, {self._show(stop)}."
            raise BadParameter("from", text)
        return self._span("", int(start), stop, TEN_SECONDS, running=running)

    def _span(self, period: str, start: int, end: int, finest: int, *, running: bool) -> Span:
        start = max(0, start)
        level = self.kept.finest(start, finest)
        notes = _widened("It starts", level, finest)
        begin = floor(start, level)
        if not running:
            level = self.kept.finest(end - 1, finest)
            notes += _widened("It ends", level, finest)
            end = ceil(end, level)
        return Span(period, begin, end, running, self.zone, self.kept, notes)

    def _end_of_now(self) -> int:
        return floor(int(self.now.timestamp()), TEN_SECONDS) + TEN_SECONDS

    def _show(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, self.zone).isoformat(timespec="seconds")


def _widened(what: str, level: int, wanted: int) -> tuple[str, ...]:
    if level == wanted:
        return ()
    width = _IN_WORDS[level]
    return (f"{what} at the boundary of {width}: from then, nothing narrower is kept.",)


def parse_span(asked: Mapping[str, str], clock: Clock) -> Span:
    """From `period`, or `from` with or without `to`; BadParameter if they make no span."""
    period, since, until = (asked.get(name) or "" for name in ("period", "from", "to"))
    if until and not since:
        raise BadParameter("from", "Give the beginning too: from=… beside to=….")
    if since and period:
        raise BadParameter("period", "Give either a period or from and to, not both.")
    if not since:
        return clock.last(period or DEFAULT_PERIOD)
    start = parse_time("from", since, clock.zone)
    return clock.between(start, parse_time("to", until, clock.zone) if until else None)


def parse_zone(name: str) -> tzinfo:
    """The server's if there is no name."""
    if not name:
        return timezone.get_default_timezone()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        text = f"“{name}” is not a time zone; give one such as Europe/Berlin or UTC."
        raise BadParameter("tz", text) from error


def parse_time(name: str, text: str, zone: tzinfo) -> float:
    """Unix seconds of ISO 8601, in `zone` where it has no offset, or of Unix seconds."""
    if _UNIX.fullmatch(text):
        return float(text)
    problem = f"“{text}” is not a time; give ISO 8601 such as 2026-05-04T13:00, or Unix seconds."
    if _MILLISECONDS.fullmatch(text):
        problem = f"“{text}” is in milliseconds; give Unix seconds."
    at = _read_iso(text)
    if at is None:
        raise BadParameter(name, problem)
    try:
        seconds = (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()
    except OverflowError as error:
        raise BadParameter(name, problem) from error
    if not 0 <= seconds <= _LAST.timestamp():
        raise BadParameter(name, f"“{text}” is out of range; give a time from 1970 to 2100.")
    return seconds


def _read_iso(text: str) -> datetime | None:
    """Also with a space where the URL's plus sign was: nobody encodes that of an offset."""
    for candidate in (text, "+".join(text.rsplit(" ", 1))):
        try:
            return datetime.fromisoformat(candidate)
        except ValueError:
            continue
    return None
