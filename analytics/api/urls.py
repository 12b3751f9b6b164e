"""Hooked in under /api/v1/reports/."""

from django.urls import path

from analytics.api.views import TrafficReportView

urlpatterns = [path("traffic/", TrafficReportView.as_view(), name="report-traffic")]
