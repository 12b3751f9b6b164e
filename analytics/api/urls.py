"""Hooked in under /api/v1/reports/."""

from django.urls import path

from analytics.api import views

urlpatterns = [
    path("traffic/", views.TrafficReportView.as_view(), name="report-traffic"),
    path("latency/", views.LatencyReportView.as_view(), name="report-latency"),
    path("errors/", views.ErrorsReportView.as_view(), name="report-errors"),
    path("compare/", views.ComparisonReportView.as_view(), name="report-compare"),
]
