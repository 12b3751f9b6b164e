"""What keeps a backend from requests, and how each of it is told. No Django in here."""

from enum import StrEnum


class Obstacle(StrEnum):
    """Why a backend is not among those that are chosen from.

    The value is what programs are told: over REST and in an edge's explanations.
    """

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
