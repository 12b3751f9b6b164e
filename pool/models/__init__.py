from pool.models.alerts import (
    Alert,
    AlertChannel,
    AlertCursor,
    AlertDelivery,
    AlertRule,
)
from pool.models.configuration import Backend, Pool, Route
from pool.models.history import Event, HealthRecord, HourlyUptime, Revision

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertCursor",
    "AlertDelivery",
    "AlertRule",
    "Backend",
    "Event",
    "HealthRecord",
    "HourlyUptime",
    "Pool",
    "Revision",
    "Route",
]
