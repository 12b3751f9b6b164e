"""The screens that operators work with."""

from pool.admin.backends import BackendAdmin
from pool.admin.pools import PoolAdmin
from pool.admin.records import EventAdmin, HealthRecordAdmin
from pool.admin.revisions import RevisionAdmin
from pool.admin.routes import RouteAdmin

__all__ = [
    "BackendAdmin",
    "EventAdmin",
    "HealthRecordAdmin",
    "PoolAdmin",
    "RevisionAdmin",
    "RouteAdmin",
]
