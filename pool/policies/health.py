"""Active health checks: of a pool, and what is different for one of its backends."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q

from pool.choices import ProbeKind, ProbeMethod
from pool.fields import (
    BodyPatternField,
    HeaderRulesField,
    HostHeaderField,
    OriginField,
    RequestTargetField,
    StatusRangesField,
)
from pool.header_rules import Message
from pool.policies.base import PolicyGroup, columns_named, count, seconds
from pool.snapshot import HealthOverrides, HealthPolicy


def probe_kind_choices() -> list[tuple[str, str]]:
    titles = {ProbeKind.URL: "As the backend's URL says", ProbeKind.TCP: "TCP connection"}
    return [(kind.value, titles.get(kind, kind.value.upper())) for kind in ProbeKind]


def probe_method_choices() -> list[tuple[str, str]]:
    return [(method.value, method.value) for method in ProbeMethod]


class HealthPolicyFields(models.Model):
    """Active health checks."""

    health_enabled = models.BooleanField(
        "health checks",
        default=True,
        help_text="Probe the backends. When off, every backend counts as healthy.",
    )
    health_kind = models.CharField(
        "ask by",
        max_length=10,
        default=ProbeKind.URL.value,
        choices=probe_kind_choices,
        help_text="HTTP, HTTPS, or only whether a TCP connection is accepted. Default: as the "
        "backend's URL says.",
    )
    health_method = models.CharField(
        "method",
        max_length=10,
        default=ProbeMethod.GET.value,
        choices=probe_method_choices,
        help_text="Of the request; POST has an empty body. Default: GET.",
    )
    health_path = RequestTargetField(
        "path",
        max_length=500,
        default="/",
        help_text="What each probe requests, for example /healthz.",
    )
    health_host = HostHeaderField(
        "Host header",
        max_length=260,
        blank=True,
        default="",
        help_text='A host with or without a port; "backend" for the backend\'s own; empty for what '
        "requests get.",
    )
    health_headers = HeaderRulesField(
        "header fields",
        message=Message.PROBE,
        default=list,
        blank=True,
        help_text="Sent with each probe, one a line, for example: set X-Forwarded-Proto: https",
    )
    health_port = models.PositiveIntegerField(
        "port",
        default=0,
        validators=[MaxValueValidator(65535)],
        help_text="Port to probe on the backend's host; 0 is the port of its URL.",
    )
    health_expected_status = StatusRangesField(
        "expected statuses",
        max_length=100,
        default="200-399",
        help_text="Statuses that pass: numbers and ranges, for example 200-299,304. Redirects are "
        "not followed.",
    )
    health_body = BodyPatternField(
        "body contains",
        max_length=500,
        blank=True,
        default="",
        help_text="Regular expression (RE2) that has to match in the first 256 KiB of the body; "
        "empty is anything.",
    )
    health_interval = seconds(2.0, 0.1, 3600, "Seconds between two probes of a backend.")
    health_fast_interval = seconds(
        0.0,
        0,
        3600,
        "Seconds between probes while the verdict is about to change: after a first failure, or a "
        "first pass. 0 is the interval.",
    )
    health_down_interval = seconds(
        0.0, 0, 3600, "Seconds between probes of an unhealthy backend; 0 is the interval."
    )
    health_jitter = count(
        0, 0, 50, "Percent of the interval by which a probe may be later, differing each time."
    )
    health_timeout = seconds(
        2.0, 0.05, 3600, "Seconds until a probe counts as failed; at most the interval."
    )
    health_rise = count(2, 1, 100, "Passes in a row until an unhealthy backend is healthy again.")
    health_fall = count(3, 1, 100, "Failures in a row until a healthy backend is unhealthy.")
    health_degraded_latency = seconds(
        0.0,
        0,
        3600,
        "Seconds after which a pass counts as slow. As many slow ones in a row as failures are "
        "needed make a backend degraded: it is used, with less weight. 0 is never.",
    )
    health_degraded_weight = count(50, 1, 100, "Percent of its weight that a degraded backend has.")

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        _refuse_conflicts({name: getattr(self, name) for name in HEALTH.columns.values()})


class HealthOverrideFields(models.Model):
    """The same columns for one backend, null where it is as its pool; and a URL of its own."""

    health_url = OriginField(
        "probed URL",
        max_length=300,
        null=True,
        blank=True,
        default=None,
        help_text="Where to probe in place of the backend's URL, for example http://10.0.0.5:9000.",
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        for name in HEALTH_OVERRIDES.columns.values():
            if getattr(self, name) in ("", []):  # as an empty form field, or REST, may have it
                setattr(self, name, None)
        if getattr(self, "pool_id", None):
            pool: models.Model = getattr(self, "pool")  # noqa: B009 - the subclass has it
            own = {name: getattr(self, name, None) for name in HEALTH.columns.values()}
            if all(value is None for value in own.values()):
                return  # what conflicts within the pool's own settings is told there
            _refuse_conflicts(
                {
                    name: getattr(pool, name) if value is None else value
                    for name, value in own.items()
                }
            )


# What holds for a pool's columns, and for a backend's where they are not null.
_RULE = (
    (Q(health_fast_interval=0) | Q(health_fast_interval__gte=0.1))
    & (Q(health_down_interval=0) | Q(health_down_interval__gte=0.1))
    & Q(health_path__startswith="/")
    & ~Q(health_expected_status="")
)
HEALTH = PolicyGroup(
    HealthPolicy,
    HealthPolicyFields,
    columns_named("health_{}", HealthPolicy),
    _RULE & Q(health_timeout__lte=F("health_interval")),
)
HEALTH_OVERRIDES = PolicyGroup(
    HealthOverrides,
    HealthOverrideFields,
    columns_named("health_{}", HealthOverrides),
    _RULE,
)


def _override(name: str) -> Any:
    """The pool's field of this name, which may be left out."""
    field: Any = HealthPolicyFields._meta.get_field(name)
    _, _, args, options = field.deconstruct()
    about = options["help_text"].partition(" Default:")[0]
    optional = {"null": True, "blank": True, "default": None, "help_text": about}
    return type(field)(*args, **{**options, **optional})


for _name in HEALTH_OVERRIDES.columns.values():
    if _name != "health_url":
        HealthOverrideFields.add_to_class(_name, _override(_name))


def _refuse_conflicts(values: dict[str, Any]) -> None:
    """ValidationError for settings that exclude each other. Called for invalid ones, too."""
    interval = values["health_interval"]
    problems = {}
    if _less(interval, values["health_timeout"]):
        problems["health_timeout"] = (
            f"Must not be longer than the interval ({interval:g} s): shorten it, or probe less "
            "often."
        )
    if _less(interval, values["health_fast_interval"]):
        problems["health_fast_interval"] = (
            f"Must not be longer than the interval ({interval:g} s): shorten it, or give 0."
        )
    if _less(values["health_down_interval"] or interval, interval):
        problems["health_down_interval"] = (
            f"Must not be shorter than the interval ({interval:g} s): lengthen it, or give 0."
        )
    if values["health_body"] and values["health_method"] == ProbeMethod.HEAD:
        problems["health_body"] = "An answer to HEAD has no body: empty this, or ask with GET."
    if problems:
        raise ValidationError(problems)


def _less(one: Any, other: Any) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float) and one < other
