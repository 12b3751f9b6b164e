"""What keeps a backend from requests, or explains it otherwise, and the words for it.

The values of the enumerations are what programs are told: over REST and in an edge's
explanations. No Django in here.
"""

from collections.abc import Mapping
from enum import StrEnum

from pool.choices import HealthState


class Obstacle(StrEnum):
    """Why a backend is not among those that are chosen from."""

    TRIED = "tried"
    MAINTENANCE = "maintenance"
    DRAINING = "draining"
    NO_WEIGHT = "weight_0"
    UNHEALTHY = "unhealthy"
    CIRCUIT_OPEN = "circuit_open"
    CIRCUIT_TRIED = "circuit_half_open"
    EJECTED = "ejected"
    STAND_IN = "stand_in_not_needed"
    LOWER_TIER = "lower_tier"
    FULL = "full"


class Remark(StrEnum):
    """What else there is to be said of a backend."""

    DEGRADED = "degraded"
    IN_PANIC = "in_panic"
    NOT_PROBED = "not_probed"
    FLAPS = "flaps"
    REDIS_AWAY = "redis_away"


# Behind the backend's name, of what it is now.
HEADLINES: Mapping[Obstacle | Remark | HealthState, str] = {
    Obstacle.MAINTENANCE: "is in maintenance: it gets no requests and is not probed.",
    Obstacle.DRAINING: "is draining: it finishes what it has and gets no new clients.",
    Obstacle.NO_WEIGHT: "has weight 0: it gets no new requests.",
    Obstacle.UNHEALTHY: "is down: it gets no new requests.",
    Obstacle.CIRCUIT_OPEN: "is cut off by its circuit breaker: it gets no new requests.",
    Obstacle.CIRCUIT_TRIED: "is on trial: its circuit breaker lets a few requests through.",
    Obstacle.EJECTED: "is ejected: it does worse than the others of its pool.",
    Obstacle.LOWER_TIER: "is up and waits: others serve before it.",
    Obstacle.STAND_IN: "is up and stands by for another backend.",
    Remark.REDIS_AWAY: "cannot be judged now: Redis is away.",
    Remark.IN_PANIC: "is down, and gets requests all the same: its pool is in panic.",
    HealthState.HEALTHY: "is up and gets its share of the requests.",
    HealthState.DEGRADED: "is degraded: it answers, but too slowly, and gets less.",
    HealthState.UNKNOWN: "is not probed yet: it gets requests as if it were up.",
}

# Beside the obstacle, of those that have no cause of their own to be told.
DETAILS: Mapping[Obstacle, str] = {
    Obstacle.TRIED: "This request has tried it already.",
    Obstacle.MAINTENANCE: "An operator has taken it out of service.",
    Obstacle.DRAINING: "It keeps what it has and gets nothing new.",
    Obstacle.NO_WEIGHT: "It gets no new clients.",
    Obstacle.CIRCUIT_TRIED: "A few requests find out whether it has recovered; it gets no others.",
}

# Behind "It was", of what it has been for some time; the operator's own doing first.
PAST: Mapping[Obstacle | Remark, str] = {
    Obstacle.MAINTENANCE: "in maintenance",
    Obstacle.DRAINING: "drained",
    Obstacle.UNHEALTHY: "down",
    Obstacle.CIRCUIT_OPEN: "cut off by its circuit",
    Obstacle.EJECTED: "ejected",
    Remark.DEGRADED: "degraded, and so with less weight,",
}


def short(code: Obstacle | Remark | HealthState) -> str:
    """As badges and lists say it."""
    return code.replace("_", " ")
