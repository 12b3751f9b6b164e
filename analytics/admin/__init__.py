"""What happened, as pages of the admin."""

from analytics.admin.figures import requests_figure
from analytics.admin.links import BackendWithTraffic, PoolWithTraffic, RevisionWithTraffic
from analytics.admin.requests import RequestAdmin
from analytics.admin.traffic import TrafficAdmin

__all__ = [
    "BackendWithTraffic",
    "PoolWithTraffic",
    "RequestAdmin",
    "RevisionWithTraffic",
    "TrafficAdmin",
    "requests_figure",
]
