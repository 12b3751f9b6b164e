"""The screens that operators work with."""

from pool.admin.alerts import (
    AlertAdmin,
    AlertChannelAdmin,
    AlertDeliveryAdmin,
    AlertRuleAdmin,
)
from pool.admin.backends import BackendAdmin
from pool.admin.pools import PoolAdmin
from pool.admin.records import EventAdmin, HealthRecordAdmin
from pool.admin.revisions import RevisionAdmin
from pool.admin.routes import RouteAdmin

__all__ = [
    "AlertAdmin",
    "AlertChannelAdmin",
    "AlertDeliveryAdmin",
    "AlertRuleAdmin",
    "BackendAdmin",
    "EventAdmin",
    "HealthRecordAdmin",
    "PoolAdmin",
    "RevisionAdmin",
    "RouteAdmin",
]
