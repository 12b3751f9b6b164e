"""What Celery does for the web process, and for Redis."""

from celery import shared_task
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.utils import timezone

from analytics.stream import BAD_STREAMS
from lbsite.seen import BEAT_KEY, WORKERS_KEY
from pool.connection import redis_client
from pool.mending import KINDS, Mender, kinds_of_pools
from pool.models import Pool
from pool.retention import delete_in_steps, history_kept

_mender, _pool_mender = Mender(), Mender()
_KINDS = {**KINDS, **dict.fromkeys(BAD_STREAMS, "stream"), BEAT_KEY: "string", WORKERS_KEY: "zset"}


@shared_task
def mend() -> None:
    """Put keys of the wrong type right, those of pools as long as the database knows the pools."""
    redis = redis_client()
    _mender.mend(redis, _KINDS)
    _pool_mender.mend(redis, kinds_of_pools(Pool.objects.values_list("pk", flat=True)))


@shared_task
def clear_sessions() -> None:
    """Django forgets a session that has expired only when its own browser comes again."""
    call_command("clearsessions")


@shared_task
def clear_admin_log() -> None:
    """Who has edited what: kept for as long as the timeline, which says more."""
    old = LogEntry.objects.filter(action_time__lt=timezone.now() - history_kept())
    delete_in_steps(old.order_by("pk"))
