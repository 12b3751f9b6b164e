"""Everything of the control plane under one root; hook it in under /api/v1/."""

from rest_framework_nested.routers import DefaultRouter, NestedSimpleRouter

from pool.api import alerts, edges, history, views


class Router(DefaultRouter):
    include_format_suffixes = False  # names of backends have dots in them


router = Router()
router.register("pools", views.PoolViewSet)
router.register("routes", views.RouteViewSet)
router.register("events", history.EventViewSet)
router.register("health", history.HealthRecordViewSet)
router.register("revisions", history.RevisionViewSet)
router.register("edges", edges.EdgeViewSet, basename="edge")
router.register("alerts", alerts.AlertViewSet)
router.register("alert-channels", alerts.AlertChannelViewSet)
router.register("alert-deliveries", alerts.AlertDeliveryViewSet)
router.register("alert-rules", alerts.AlertRuleViewSet)

pool_router = NestedSimpleRouter(router, "pools", lookup="pool")
pool_router.register("backends", views.BackendViewSet)

urlpatterns = [*router.urls, *pool_router.urls]
