"""The shape of the reports, and of what is asked of them."""

from typing import Any

from rest_framework import serializers

from analytics import reports

_NAMES_SHOWN = 20


class TrafficQuery(serializers.Serializer[Any]):
    period = serializers.ChoiceField(
        choices=list(reports.PERIODS),
        default="1h",
        help_text="How far back from now; `all` is everything that was ever counted.",
        error_messages={
            "invalid_choice": "“{input}” is not a period; give one of "
            + ", ".join(reports.PERIODS)
            + "."
        },
    )
    pool = serializers.CharField(required=False, default="", help_text="Only this pool.")
    backend = serializers.CharField(
        required=False, default="", help_text="Only backends of this name."
    )

    def validate_pool(self, value: str) -> str:
        return _known("pool", value, reports.pool_names())

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        names = reports.backend_names(attrs["pool"])
        try:
            _known("backend", attrs["backend"], names)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"backend": error.detail}) from error
        return attrs


def _known(kind: str, value: str, names: list[str]) -> str:
    if not value or value in names:
        return value
    shown = ", ".join(names[:_NAMES_SHOWN]) or "none yet"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    raise serializers.ValidationError(f"There is no {kind} “{value}”; there are: {shown}{more}.")


class LatencySerializer(serializers.Serializer[Any]):
    """Milliseconds from a request's first byte to its answer's last."""

    avg = serializers.FloatField()
    min = serializers.FloatField()
    max = serializers.FloatField()
    p50 = serializers.FloatField(help_text="Percentiles are within 5 % of the exact value.")
    p95 = serializers.FloatField()
    p99 = serializers.FloatField()


class SummarySerializer(serializers.Serializer[Any]):
    requests = serializers.IntegerField(help_text="Answers that clients got.")
    successes = serializers.IntegerField(help_text="Those with a status below 500.")
    # DRF takes declared fields off the class: the property of this name stays what it is.
    errors = serializers.IntegerField(  # type: ignore[assignment]
        help_text="Those with a status of 500 or more."
    )
    client_aborts = serializers.IntegerField(
        help_text="Requests whose client went away before the answer; in none of the others."
    )
    latency_ms = LatencySerializer(allow_null=True, help_text="Null if there was no traffic.")


class TotalsSerializer(SummarySerializer):
    answered_by_edge = serializers.IntegerField(
        help_text="Requests that reached no backend, such as 404 without a route and 503 "
        "without a backend left. Part of the totals, and of no backend."
    )


class BackendTrafficSerializer(SummarySerializer):
    pool = serializers.CharField()
    backend = serializers.CharField()
    share = serializers.FloatField(
        help_text="Part, from 0 to 1, of the requests (of the pool, if one is named) that "
        "reached a backend."
    )


class TrafficReportSerializer(serializers.Serializer[Any]):
    period = serializers.CharField()
    since = serializers.DateTimeField(
        allow_null=True,
        help_text="Start of what was counted: the period's, moved back to that of a bucket of "
        "10 seconds (6h and 24h: of a minute). Null for `all`.",
    )
    totals = TotalsSerializer()
    backends = BackendTrafficSerializer(many=True)
