"""The policies of a pool as groups of columns, each with its struct in the snapshot.

A policy is three things kept together here: the columns (an abstract model), the
mapping between columns and struct (`PolicyGroup`, used in both directions: to
compile and to roll back), and a database constraint as the last line of defence.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from pool.fields import (
    CertificatesField,
    HeaderRulesField,
    HostHeaderField,
    RequestTargetField,
    SecondsBetween,
    ServerNameField,
    StatusRangesField,
)
from pool.header_rules import Message
from pool.snapshot import (
    HeaderPolicy,
    HealthPolicy,
    LimitPolicy,
    RetryPolicy,
    TimeoutPolicy,
    TlsPolicy,
)

P = TypeVar("P", bound=msgspec.Struct)


@dataclass(frozen=True)
class PolicyGroup(Generic[P]):
    """`columns` maps each field of the struct to the column that holds it."""

    struct: type[P]
    columns: dict[str, str]

    def compile(self, row: models.Model) -> P:
        values = {field: getattr(row, name) for field, name in self.columns.items()}
        return msgspec.convert(values, self.struct)

    def restore(self, policy: P) -> dict[str, Any]:
        """The columns' values that compile to `policy`."""
        return {name: to_column(getattr(policy, field)) for field, name in self.columns.items()}


def to_column(value: Any) -> Any:
    """A struct's value as a column holds it: as the JSON of it, where it is more than one value."""
    return list(msgspec.to_builtins(value)) if isinstance(value, tuple) else value


def _seconds(default: float, low: float, high: float, help_text: str) -> models.FloatField:
    return models.FloatField(
        default=default,
        validators=[SecondsBetween(low, high)],
        help_text=f"{help_text} Default: {default:g}.",
    )


def _count(default: int, low: int, high: int, help_text: str) -> models.PositiveSmallIntegerField:
    return models.PositiveSmallIntegerField(
        default=default,
        validators=[MinValueValidator(low), MaxValueValidator(high)],
        help_text=f"{help_text} Default: {default}.",
    )


HEALTH = PolicyGroup(
    HealthPolicy, {name: f"health_{name}" for name in HealthPolicy.__struct_fields__}
)
TIMEOUTS = PolicyGroup(
    TimeoutPolicy, {name: f"{name}_timeout" for name in TimeoutPolicy.__struct_fields__}
)
RETRY = PolicyGroup(RetryPolicy, {name: f"retry_{name}" for name in RetryPolicy.__struct_fields__})
HEADERS = PolicyGroup(
    HeaderPolicy,
    {
        "host": "host_header",
        "forwarded": "forwarded_header",
        "request_rules": "request_headers",
        "response_rules": "response_headers",
    },
)
LIMITS = PolicyGroup(LimitPolicy, {"max_body": "max_body"})
TLS = PolicyGroup(TlsPolicy, {name: f"tls_{name}" for name in TlsPolicy.__struct_fields__})
POOL_GROUPS: dict[str, PolicyGroup[Any]] = {
    "health": HEALTH,
    "timeouts": TIMEOUTS,
    "retry": RETRY,
    "headers": HEADERS,
    "limits": LIMITS,
    "tls": TLS,
}

MAX_BODY = 2**40  # bytes; a larger one is no limit but a typing error


class HealthPolicyFields(models.Model):
    """Active health checks."""

    health_enabled = models.BooleanField(
        "health checks",
        default=True,
        help_text="Probe the backends. When off, every backend counts as healthy.",
    )
    health_path = RequestTargetField(
        max_length=500,
        default="/",
        help_text="Path that each probe requests with GET, for example /healthz.",
    )
    health_expected_status = StatusRangesField(
        max_length=100,
        default="200-399",
        help_text="Statuses that pass: numbers and ranges, for example 200-299,304.",
    )
    health_interval = _seconds(2.0, 0.1, 3600, "Seconds between two probes of a backend.")
    health_timeout = _seconds(
        2.0, 0.05, 3600, "Seconds until a probe counts as failed; at most the interval."
    )
    health_rise = _count(2, 1, 100, "Passes in a row until an unhealthy backend is healthy again.")
    health_fall = _count(3, 1, 100, "Failures in a row until a healthy backend is unhealthy.")

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_health",
                condition=Q(health_interval__gte=0.1, health_interval__lte=3600)
                & Q(health_timeout__gte=0.05, health_timeout__lte=F("health_interval"))
                & Q(health_rise__gte=1, health_rise__lte=100)
                & Q(health_fall__gte=1, health_fall__lte=100)
                & Q(health_path__startswith="/")
                & ~Q(health_expected_status=""),
                violation_error_message="The health policy is out of range.",
            )
        ]

    def clean(self) -> None:
        super().clean()
        timeout, interval = self.health_timeout, self.health_interval
        # Called for values that failed their own check, too.
        if isinstance(timeout, float) and isinstance(interval, float) and timeout > interval:
            raise ValidationError(
                {
                    "health_timeout": f"Must not be longer than the interval "
                    f"({interval:g} s): shorten it, or probe less often."
                }
            )


class TimeoutPolicyFields(models.Model):
    """How long the edge waits for a backend."""

    connect_timeout = _seconds(
        5.0, 0.05, 300, "Seconds to wait for a connection before another backend is tried."
    )
    response_timeout = _seconds(
        60.0, 0.05, 86400, "Seconds to wait for the head of a response; then 504."
    )
    idle_timeout = _seconds(
        60.0, 0.05, 86400, "Seconds without a byte in either direction until a request is given up."
    )
    request_timeout = _seconds(
        0.0, 0, 86400, "Seconds for the whole of a request, with all its tries; 0 is no limit."
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_timeouts",
                condition=Q(connect_timeout__gte=0.05, connect_timeout__lte=300)
                & Q(response_timeout__gte=0.05, response_timeout__lte=86400)
                & Q(idle_timeout__gte=0.05, idle_timeout__lte=86400)
                & Q(request_timeout__gte=0, request_timeout__lte=86400),
                violation_error_message="A timeout is out of range.",
            )
        ]


class RetryPolicyFields(models.Model):
    """Trying another backend when one fails."""

    retry_attempts = _count(
        3, 1, 10, "Tries of one request in all, the first included; 1 turns retries off."
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_retry",
                condition=Q(retry_attempts__gte=1, retry_attempts__lte=10),
                violation_error_message="The number of attempts is out of range.",
            )
        ]


_RULES_HELP = (
    "One rule a line, applied in this order: set replaces a field, add puts one beside those "
    "that are there, remove takes it away."
)


class HeaderRulesFields(models.Model):
    """Changes to the header of each message."""

    request_headers = HeaderRulesField(
        message=Message.REQUEST,
        default=list,
        blank=True,
        help_text=f"Changes to each request on its way to the backend. {_RULES_HELP}",
    )
    response_headers = HeaderRulesField(
        message=Message.RESPONSE,
        default=list,
        blank=True,
        help_text=f"Changes to each response on its way to the client. {_RULES_HELP}",
    )

    class Meta:
        abstract = True


class HeaderPolicyFields(HeaderRulesFields):
    """What a backend learns of the request, and a client of the response."""

    host_header = HostHeaderField(
        "Host header",
        max_length=260,
        default="",
        blank=True,
        help_text='Host that the backends get: empty for the client\'s, "backend" for the '
        "backend's own, or a name of yours such as app.internal:8080. Default: the client's.",
    )
    forwarded_header = models.BooleanField(
        "Forwarded header",
        default=False,
        help_text="Send Forwarded (RFC 7239) too, beside the X-Forwarded-* that are always sent.",
    )

    class Meta:
        abstract = True


class LimitPolicyFields(models.Model):
    """What the edge refuses to forward."""

    max_body = models.PositiveBigIntegerField(
        "max. request body",
        default=0,
        validators=[MaxValueValidator(MAX_BODY)],
        help_text="Bytes of a request's body, up to 1 TiB; a larger one is answered with 413. "
        "1 MiB is 1048576; 0 is no limit. Default: 0.",
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_limits",
                condition=Q(max_body__gte=0, max_body__lte=MAX_BODY),
                violation_error_message="max_body is out of range.",
            )
        ]


class TlsPolicyFields(models.Model):
    """How https backends prove who they are."""

    tls_verify = models.BooleanField(
        "verify certificates",
        default=True,
        help_text="Refuse https backends whose certificate is not valid for their name. When off, "
        "anybody between edge and backend can read and change the traffic.",
    )
    tls_ca = CertificatesField(
        "trusted authorities",
        default="",
        blank=True,
        help_text="Certificates in PEM to trust in place of the system's, for example your own "
        "authority's. Never a private key.",
    )
    tls_server_name = ServerNameField(
        "TLS server name",
        max_length=255,
        default="",
        blank=True,
        help_text="Name to ask https backends for (SNI) and to find in their certificates. "
        "Default: the host of the backend's URL.",
    )

    class Meta:
        abstract = True
