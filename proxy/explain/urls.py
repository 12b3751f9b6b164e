"""Hooked in under /api/v1/explain/."""

from django.urls import path

from proxy.explain.api import ExplainView

urlpatterns = [path("", ExplainView.as_view(), name="explain")]
