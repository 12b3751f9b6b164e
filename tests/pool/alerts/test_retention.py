"""Alerts and messages are kept for a month; what is open or waits is kept for longer."""

from datetime import timedelta

from django.utils import timezone

from pool.alerts.retention import KEPT, prune
from pool.models import Alert, AlertDelivery
from tests.pool.alerts.conftest import T0


def test_what_is_over_is_forgotten_after_a_month(rule, one, health, at):
    health(one, "unhealthy")
    health(one, "healthy", 10)
    at(100)
    AlertDelivery.objects.update(state="delivered")
    prune(T0 + timedelta(seconds=100) + KEPT)
    assert (Alert.objects.count(), AlertDelivery.objects.count()) == (1, 2)
    prune(T0 + timedelta(seconds=101) + KEPT)
    assert (Alert.objects.count(), AlertDelivery.objects.count()) == (0, 0)


def test_what_is_open_or_waits_is_kept(rule, one, health, at):
    health(one, "unhealthy")
    at(1)
    prune(timezone.now() + 2 * KEPT)
    assert (Alert.objects.count(), AlertDelivery.objects.count()) == (1, 1)
    AlertDelivery.objects.update(state="failed")
    prune(timezone.now() + 2 * KEPT)
    assert (Alert.objects.count(), AlertDelivery.objects.count()) == (1, 0)
