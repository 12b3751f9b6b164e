"""Forgets alerts and messages that are old. What is open or waits stays."""

from datetime import datetime

from pool.choices import AlertState, DeliveryState
from pool.models.alerts import Alert, AlertDelivery
from pool.retention import delete_in_steps


def prune(before: datetime) -> None:
    done = AlertDelivery.objects.exclude(state=DeliveryState.WAITING.value)
    delete_in_steps(done.filter(created_at__lt=before).order_by("created_at"))
    over = Alert.objects.filter(state=AlertState.CLOSED.value, since__lt=before)
    delete_in_steps(over.filter(deliveries=None).order_by("since"))
