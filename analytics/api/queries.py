"""What is asked of the reports: parameters, and what is wrong with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rest_framework import serializers

from analytics.aggregate import KINDS
from analytics.reports.bins import AUTO, WIDTHS
from analytics.reports.latency import DEFAULT_KIND
from analytics.reports.scope import Scope, parse_scope
from analytics.reports.selection import Selection
from analytics.reports.sides import DEFAULT_WINDOW, Sides, parse_sides
from analytics.reports.span import (
    DEFAULT_PERIOD,
    PERIODS,
    BadParameter,
    Clock,
    Span,
    parse_span,
)

NO_SERIES = "none"
TIME = "ISO 8601, in `tz` if it has no offset; or Unix seconds."  # how one is written
_LIMIT = 100
_MOST = 1000


@contextmanager
def bad_parameters_as_answers() -> Iterator[None]:
    try:
        yield
    except BadParameter as error:
        raise serializers.ValidationError({error.name: [str(error)]}) from error


def text_field(about: str) -> serializers.CharField:
    return serializers.CharField(required=False, default="", allow_blank=True, help_text=about)


class SpanQuery(serializers.Serializer[Any]):
    period = serializers.ChoiceField(
        choices=list(PERIODS),
        required=False,
        allow_blank=True,
        default="",
        help_text=f"How far back from now, {DEFAULT_PERIOD} unless said; `all` is everything that "
        "was ever counted. Or give `from` and `to`.",
        error_messages={
            "invalid_choice": "“{input}” is not a period; give one of " + ", ".join(PERIODS) + "."
        },
    )
    tz = text_field("Time zone of days and of times without an offset, such as Europe/Berlin.")

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which no attribute can be called."""
        return {
            **super().get_fields(),
            "from": text_field(f"Beginning of a range in place of a period: {TIME}"),
            "to": text_field(f"End of the range, exclusive; now unless said: {TIME}"),
        }

    def clock(self) -> Clock:
        with bad_parameters_as_answers():
            return Clock.read(self.validated_data["tz"])

    def span(self) -> Span:
        with bad_parameters_as_answers():
            return parse_span(self.validated_data, self.clock())


class ScopeQuery(SpanQuery):
    pool = text_field("Only this pool.")
    backend = text_field("Only backends of this name.")
    route = text_field("Only this route: its number, or its host and path prefix.")

    def scope(self) -> Scope:
        asked = self.validated_data
        with bad_parameters_as_answers():
            return parse_scope(asked["pool"], asked["backend"], asked["route"])


class RowsQuery(ScopeQuery):
    """Of reports with a row a backend."""

    limit = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=_MOST,
        help_text=f"How many backends, sorted by name: {_LIMIT} unless said; of a table all.",
    )
    offset = serializers.IntegerField(
        required=False, min_value=0, default=0, help_text="How many backends to leave out first."
    )
    top = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=_MOST,
        help_text="In place of limit and offset: only so many backends, those with most first.",
    )

    def selection(self, *, table: bool) -> Selection:
        asked = self.validated_data
        limit = asked.get("limit", None if table else _LIMIT)
        return Selection(limit, asked["offset"], asked.get("top"))


class SeriesQuery(RowsQuery):
    step = text_field(
        f"Width of the points of the series: one of {', '.join(WIDTHS)}, `{AUTO}` (so that there "
        f"are some hundred), or `{NO_SERIES}` for no series."
    )

    def step_or_none(self) -> str | None:
        step = self.validated_data["step"] or AUTO
        return None if step == NO_SERIES else step


class TrafficQuery(SeriesQuery):
    percentiles = serializers.BooleanField(
        required=False,
        default=True,
        help_text="Whether to tell `latency_ms`, which of a thousand backends takes longest.",
    )
    periods = text_field(
        "Several periods at once, such as `5m,1h,all`: the answer is then a list of reports, "
        "without series unless a `step` is given."
    )

    def spans(self) -> list[Span]:
        """Of `periods`; none if there are none."""
        asked = self.validated_data
        if not asked["periods"]:
            return []
        if asked["period"] or asked["from"] or asked["to"]:
            text = "Give either several periods, or one period or range."
            raise serializers.ValidationError({"periods": [text]})
        clock = self.clock()
        names = dict.fromkeys(name.strip() for name in asked["periods"].split(","))
        with bad_parameters_as_answers():
            try:
                return [clock.last(name) for name in names]
            except BadParameter as error:
                raise BadParameter("periods", str(error)) from error


class LatencyQuery(SeriesQuery):
    kind = serializers.ChoiceField(
        choices=KINDS,
        required=False,
        allow_blank=True,
        default=DEFAULT_KIND,
        help_text="What the series and the heat map are of.",
        error_messages={
            "invalid_choice": "“{input}” is not timed; give one of " + ", ".join(KINDS) + "."
        },
    )


class CompareQuery(RowsQuery):
    a = text_field("What is before: `FROM/TO` (each as `from`), or a period.")
    b = text_field(
        "What is after, in the same way. Without a and b: a period, and what was before it."
    )
    revision = text_field(
        "Number of a revision: compares before and after it, in place of a and b."
    )
    window = text_field(
        f"How long before and after the revision, such as 15m, 1h or 7d: {DEFAULT_WINDOW} unless "
        "said, or as long as it has run."
    )

    def sides(self) -> Sides:
        with bad_parameters_as_answers():
            return parse_sides(self.validated_data, self.clock())
