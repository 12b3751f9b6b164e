from pool.models.alerts import (
    Alert,
    AlertChannel,
    AlertCursor,
    AlertDelivery,
    AlertRule,
)
from pool.models.backend import Backend
from pool.models.history import Event, HealthRecord, HourlyUptime, Revision
from pool.models.pool import Pool
from pool.models.route import Route

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
