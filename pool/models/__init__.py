from pool.models.configuration import Backend, Pool, Route
from pool.models.history import Event, HealthRecord, HourlyUptime, Revision

__all__ = ["Backend", "Event", "HealthRecord", "HourlyUptime", "Pool", "Revision", "Route"]
