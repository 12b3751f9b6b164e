"""Enumerations that both planes and the REST API share. No Django in here."""

from collections.abc import Iterable
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


class ProbeKind(StrEnum):
    """How a backend is asked whether it is well."""

    URL = "url"  # by HTTP or HTTPS, as its URL says
    HTTP = "http"
    HTTPS = "https"
    TCP = "tcp"  # whether it takes a connection


class ProbeMethod(StrEnum):
    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"
    POST = "POST"  # with an empty body


class ProbeResult(StrEnum):
    PASS = "pass"  # noqa: S105 - no secret
    SLOW = "slow"  # passed, but took longer than it should
    FAIL = "fail"


class HeaderAction(StrEnum):
    """What a header rule does with a field."""

    SET = "set"  # in place of any that are there
    ADD = "add"  # beside them
    REMOVE = "remove"


class TierMode(StrEnum):
    """When backups get traffic."""

    STRICT = "strict"  # when no primary is left: HAProxy's and nginx's `backup`
    SPILL_OVER = "spill_over"  # gradually, as primaries fail: Envoy's priority levels


class Failback(StrEnum):
    """Who returns the traffic to the primaries once they can serve again."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class CircuitMode(StrEnum):
    """What opens a backend's circuit."""

    OFF = "off"
    CONSECUTIVE = "consecutive"  # so many failures in a row
    FAILURE_RATIO = "failure_ratio"  # a share of the last calls has failed
    SLOW_RATIO = "slow_ratio"  # a share of the last calls was slow, or has failed


class CircuitState(StrEnum):
    CLOSED = "closed"  # calls go through
    OPEN = "open"  # none does
    HALF_OPEN = "half_open"  # a few do, to find out
    FORCED_OPEN = "forced_open"  # an operator keeps it open


class CircuitEvent(StrEnum):
    """What moves a circuit from one state to another."""

    TRIP = "trip"  # too much has failed
    WAITED = "waited"  # it was open for long enough
    PROBED = "probed"  # the probes pass, after they had failed
    RECOVERED = "recovered"  # enough of what was let through has succeeded
    # an operator's
    OPEN = "open"  # whatever the calls say
    RELEASE = "release"  # no longer
    RESET = "reset"  # as if nothing had ever failed


class RateScope(StrEnum):
    """Among whom a rate limit counts."""

    LOCAL = "local"  # the workers of a machine
    SHARED = "shared"  # all edges, through Redis


class StickyMode(StrEnum):
    """By what a client is recognised, to be sent to the backend that it was sent to before."""

    OFF = "off"
    COOKIE = "cookie"  # one that the edge sets
    APP_COOKIE = "app_cookie"  # one that the backends set: the edge marks its value
    HEADER = "header"  # a field that the backends issue and clients repeat: marked as well


class SameSite(StrEnum):
    LAX = "Lax"
    STRICT = "Strict"
    NONE = "None"


class CookieSecure(StrEnum):
    AUTO = "auto"  # where the client came over https
    ALWAYS = "always"
    NEVER = "never"


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
    EDGE_LAGS = "edge_lags"  # runs something else than is saved
    EDGE_CAUGHT_UP = "edge_caught_up"
    FAILOVER = "failover"
    FAILBACK = "failback"
    PANIC = "panic"  # too few of a pool are well: those that are not get traffic too
    NO_HEALTHY_UPSTREAM = "no_healthy_upstream"  # nobody of a pool is left who can serve
    POOL_RECOVERED = "pool_recovered"  # neither of both any more
    CIRCUIT_OPENED = "circuit_opened"
    CIRCUIT_HALF_OPENED = "circuit_half_opened"
    CIRCUIT_CLOSED = "circuit_closed"
    CIRCUIT_HELD = "circuit_held"  # stays closed, because too many of its pool are open
    EJECTED = "ejected"  # an outlier: it answers worse than it should
    UNEJECTED = "unejected"


class ChannelKind(StrEnum):
    """By what way an alert reaches people."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    SLACK = "slack"


class AlertState(StrEnum):
    PENDING = "pending"  # not for long enough yet: nobody was told
    FIRING = "firing"
    CLEARING = "clearing"  # over, but not for long enough yet to say so
    COUNTING = "counting"  # told of what just happens: repetitions are counted for a while
    CLOSED = "closed"


class MessageKind(StrEnum):
    """What a message of an alert says."""

    FIRING = "firing"
    RESOLVED = "resolved"
    NOTICE = "notice"  # of what just happens, and has no end
    REPEATED = "repeated"  # how often it has happened since the notice
    TEST = "test"


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"  # too many were waiting


ALGORITHM_GROUP = "lbsite.algorithms"
DEFAULT_ALGORITHM = "weighted_round_robin"
DEFAULT_HASH_KEY = "client_ip"


def choices_of(values: Iterable[str]) -> list[tuple[str, str]]:
    """Each with its label, as Django has choices.

    A field is given a callable, so that a new member of an enumeration needs no migration.
    """
    return [(str(value), value.replace("_", " ").capitalize()) for value in values]


def algorithm_names() -> list[str]:
    """Names of the installed balancing algorithms, sorted.

    Read from the entry points alone: the control plane offers them without
    importing the data plane that implements them.
    """
    return sorted({entry.name for entry in entry_points(group=ALGORITHM_GROUP)})
