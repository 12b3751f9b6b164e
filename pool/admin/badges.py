"""States as coloured labels; the reason for one is its tooltip."""

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from pool.choices import (
    AdminState,
    AlertState,
    CircuitState,
    DeliveryState,
    HealthState,
    ProbeResult,
    Severity,
)

# unfold's names of its label colours
GREY, GREEN, BLUE, ORANGE, RED = "", "success", "info", "warning", "danger"

# What is not in here, such as a state that a newer version has written, is grey.
_COLOURS: dict[str, str] = {
    AdminState.ACTIVE: GREEN,
    AdminState.DRAINING: ORANGE,
    AdminState.MAINTENANCE: BLUE,
    HealthState.HEALTHY: GREEN,
    HealthState.DEGRADED: ORANGE,
    HealthState.UNHEALTHY: RED,
    CircuitState.CLOSED: GREEN,
    CircuitState.HALF_OPEN: ORANGE,
    CircuitState.OPEN: RED,
    CircuitState.FORCED_OPEN: RED,
    ProbeResult.PASS: GREEN,
    ProbeResult.SLOW: ORANGE,
    ProbeResult.FAIL: RED,
    AlertState.FIRING: RED,
    AlertState.CLEARING: ORANGE,
    AlertState.COUNTING: BLUE,
    DeliveryState.DELIVERED: GREEN,
    DeliveryState.FAILED: RED,
    DeliveryState.DROPPED: RED,
    Severity.INFO: BLUE,
    Severity.WARNING: ORANGE,
    Severity.ERROR: RED,
}


def badge(text: str, colour: str = GREY, tooltip: str = "") -> SafeString:
    context = {"text": text, "type": colour, "label_title": tooltip, "size": "md"}
    return render_to_string("unfold/helpers/label.html", context)


def state_badge(value: str, tooltip: str = "") -> SafeString:
    """A value of one of the enumerations above."""
    return badge(value, _COLOURS.get(value, GREY), tooltip)
