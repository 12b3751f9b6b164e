"""Forgets alerts and messages after a month."""

from datetime import datetime, timedelta

from pool.choices import AlertState, DeliveryState
from pool.models.alerts import Alert, AlertDelivery

KEPT = timedelta(days=30)
_STEP = 1000


def prune(now: datetime) -> None:
    """In steps, so that no lock is held for long. What is open or waits stays."""
    done = AlertDelivery.objects.exclude(state=DeliveryState.WAITING.value)
    old = done.filter(created_at__lt=now - KEPT).order_by("created_at")
    while ids := list(old.values_list("pk", flat=True)[:_STEP]):
        AlertDelivery.objects.filter(pk__in=ids).delete()
    over = Alert.objects.filter(state=AlertState.CLOSED.value, since__lt=now - KEPT)
    while ids := list(over.filter(deliveries=None).order_by().values_list("pk", flat=True)[:_STEP]):
        Alert.objects.filter(pk__in=ids).delete()
