from pool.models.configuration import Backend, Pool, Route
from pool.models.history import Event, HealthRecord, Revision

__all__ = ["Backend", "Event", "HealthRecord", "Pool", "Revision", "Route"]
