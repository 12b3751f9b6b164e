"""Enumerations that both planes and the REST API share. No Django in here."""

from enum import StrEnum
from importlib.metadata import entry_points


class AdminState(StrEnum):
    """What the operator wants of a backend (HAProxy's administrative state)."""

    ACTIVE = "active"
    DRAINING = "draining"  # keeps what it has, gets nothing new
    MAINTENANCE = "maintenance"  # gets nothing and is not probed


class HealthState(StrEnum):
    """What the probes say of a backend."""

    UNKNOWN = "unknown"  # not probed yet: takes traffic, as Envoy's and HAProxy's do at start
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class ProbeResult(StrEnum):
    PASS = "pass"  # noqa: S105 - no secret
    FAIL = "fail"


class HeaderAction(StrEnum):
    """What a header rule does with a field."""

    SET = "set"  # in place of any that are there
    ADD = "add"  # beside them
    REMOVE = "remove"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class EventKind(StrEnum):
    """What a row of the timeline tells."""

    HEALTH_CHANGED = "health_changed"
    ADMIN_STATE_CHANGED = "admin_state_changed"
    CONFIGURATION_APPLIED = "configuration_applied"
    CONFIGURATION_REPUBLISHED = "configuration_republished"
    CONFIGURATION_NOT_PUBLISHED = "configuration_not_published"
    EDGE_JOINED = "edge_joined"
    EDGE_LEFT = "edge_left"


ALGORITHM_GROUP = "lbsite.algorithms"
DEFAULT_ALGORITHM = "weighted_round_robin"


def algorithm_names() -> list[str]:
    """Names of the installed balancing algorithms, sorted.

    Read from the entry points alone: the control plane offers them without
    importing the data plane that implements them.
    """
    return sorted({entry.name for entry in entry_points(group=ALGORITHM_GROUP)})
