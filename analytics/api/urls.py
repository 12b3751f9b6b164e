"""Hooked in under /api/v1/reports/."""

from django.urls import path

from analytics.api import views
from analytics.api.availability import AvailabilityReportView
from analytics.api.requests import RequestLogView, RequestView

urlpatterns = [
    path("traffic/", views.TrafficReportView.as_view(), name="report-traffic"),
    path("distribution/", views.DistributionReportView.as_view(), name="report-distribution"),
    path("latency/", views.LatencyReportView.as_view(), name="report-latency"),
    path("errors/", views.ErrorsReportView.as_view(), name="report-errors"),
    path("availability/", AvailabilityReportView.as_view(), name="report-availability"),
    path("compare/", views.ComparisonReportView.as_view(), name="report-compare"),
    path("requests/", RequestLogView.as_view(), name="report-requests"),
    path("requests/<path:request_id>/", RequestView.as_view(), name="report-request"),
]
