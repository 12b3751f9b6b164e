"""Which two times are compared, out of what somebody asked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from analytics.levels import floor
from analytics.reports.cover import ceil
from analytics.reports.span import PERIODS, BadParameter, Clock, Span, parse_span, parse_time
from pool.models import Revision

DEFAULT_WINDOW = "1h"
_WINDOW = re.compile(r"([1-9]\d{0,3})([mhd])", re.ASCII)
_REVISIONS_SHOWN = 5
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Sides:
    """`revision` is the number of the one before and after which they are, if they are so."""

    before: Span
    after: Span
    revision: int | None = None
    notes: tuple[str, ...] = ()


def parse_sides(asked: Mapping[str, str], clock: Clock) -> Sides:
    """`revision` with `window`; or `a` and `b`; or a period or range, and what was before it."""
    revision, a, b = (asked.get(name) or "" for name in ("revision", "a", "b"))
    given = [name for name in ("revision", "a", "period", "from") if asked.get(name)]
    if len(given) > 1:
        both = " and ".join(given)
        raise BadParameter(given[0], f"Give one of {both} only: each says what is compared.")
    if revision:
        return _around(revision, asked.get("window") or DEFAULT_WINDOW, clock)
    if a or b:
        if not a or not b:
            raise BadParameter("b" if a else "a", "Give both a=… and b=…, the two to compare.")
        sides = Sides(_parse_side("a", a, clock), _parse_side("b", b, clock))
        return _with_notes(sides)
    return _and_before(parse_span(asked, clock), clock)


def _parse_side(name: str, text: str, clock: Clock) -> Span:
    if text in PERIODS:
        return clock.last(text)
    start, slash, end = text.partition("/")
    if not slash:
        known = ", ".join(PERIODS)
        problem = f"“{text}” is no time to compare; give FROM/TO, or one of {known}."
        raise BadParameter(name, problem)
    try:
        since, until = (parse_time(name, one, clock.zone) for one in (start, end))
        return clock.between(since, until)
    except BadParameter as error:
        raise BadParameter(name, str(error)) from error


def _and_before(span: Span, clock: Clock) -> Sides:
    if not span.start:
        raise BadParameter("period", "There is nothing before everything; give another period.")
    return _with_notes(Sides(clock.between(span.start - span.seconds, span.start), span))


def _around(text: str, window: str, clock: Clock) -> Sides:
    """Equally long on both sides, as far as time has gone on since."""
    revision = _find(text)
    at = (revision.published_at or revision.created_at).timestamp()
    seconds = min(_parse_window(window), clock.now.timestamp() - at)
    # What was counted in the bucket in which it happened is of neither side.
    level = clock.kept.finest(int(at - seconds))
    length = ceil(max(1, int(seconds)), level)
    first, second = floor(int(at), level), ceil(int(at) + 1, level)
    if second >= clock.now.timestamp():
        text = f"Nothing is counted after revision {revision.number} yet; ask in some seconds."
        raise BadParameter("revision", text)
    after = clock.between(second, second + length)
    before = clock.between(first - after.seconds, first)
    return _with_notes(Sides(before, after, revision.number, _others(revision, before, after)))


def _find(text: str) -> Revision:
    newest = Revision.objects.defer("snapshot").order_by("-number").first()
    if text.isascii() and text.isdigit() and len(text) < 19:
        found = Revision.objects.defer("snapshot").filter(number=int(text)).first()
        if found is not None:
            return found
    last = f"the newest is {newest.number}" if newest else "there is none yet"
    raise BadParameter("revision", f"There is no revision “{text}”; {last}.")


def _parse_window(text: str) -> float:
    found = _WINDOW.fullmatch(text)
    if not found:
        problem = f"“{text}” is not a length of time; give one such as 15m, 1h or 7d."
        raise BadParameter("window", problem)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()


def _others(revision: Revision, before: Span, after: Span) -> tuple[str, ...]:
    """Revisions that came close enough to have had a part in what changed."""
    others = Revision.objects.exclude(pk=revision.pk).filter(
        created_at__gte=before.at(before.start), created_at__lt=after.until
    )
    numbers = list(others.order_by("number").values_list("number", flat=True))
    if not numbers:
        return ()
    shown = ", ".join(map(str, numbers[:_REVISIONS_SHOWN]))
    more = len(numbers) - _REVISIONS_SHOWN
    also = f"{shown} and {more} more" if more > 0 else shown
    return (f"What changed may be due to other revisions of this time, too: {also}.",)


def _with_notes(sides: Sides) -> Sides:
    before, after, notes = sides.before, sides.after, list(sides.notes)
    if before.seconds != after.seconds:
        notes.append(f"The first is {before.seconds} s long, the second {after.seconds} s.")
    if before.start < after.end and after.start < before.end:
        notes.append("The two overlap: what is in both cannot differ.")
    return Sides(before, after, sides.revision, tuple(notes))
