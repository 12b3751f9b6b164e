"""Old alerts and messages go; what is open or waits stays."""

from datetime import timedelta

from django.utils import timezone

from pool.alerts.retention import prune
from pool.models import Alert, AlertDelivery
from tests.pool.alerts.conftest import T0


def test_what_is_over_is_forgotten_in_time(rule, one, health, at):
    health(one, "unhealthy")
    health(one, "healthy", 10)
    at(100)
    AlertDelivery.objects.update(state="delivered")
    prune(T0 + timedelta(seconds=100))
    assert (Alert.objects.count(), AlertDelivery.objects.count()) == (1, 2)
    prune(T0 + timedelta(seconds=101))
    assert (Alert.objects.count(), AlertDelivery.objects.count()) == (0, 0)


def test_what_is_open_or_waits_is_kept(rule, one, health, at):
    health(one, "unhealthy")
    at(1)
    prune(timezone.now() + timedelta(days=60))
    assert (Alert.objects.count(), AlertDelivery.objects.count()) == (1, 1)
    AlertDelivery.objects.update(state="failed")
    prune(timezone.now() + timedelta(days=60))
    assert (Alert.objects.count(), AlertDelivery.objects.count()) == (1, 0)
