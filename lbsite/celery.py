"""The Celery application: probes, roll-ups and the tick that re-publishes a lost snapshot.

Nothing waits for a task's result, so there is no result backend. Every task that
beat sends expires when the next one is due: after a pause of the worker or of
Redis the present is measured, and the missed ticks are not caught up with.
"""

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

from celery import Celery, signals
from django.conf import settings

from lbsite.patience import PatientTask

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lbsite.settings")

# Task → seconds between two runs.
PERIODIC_TASKS: dict[str, float] = {
    "pool.health.tasks.tick": 1,
    "analytics.tasks.ingest": 1,
    "analytics.tasks.keep_requests": 1,
    "pool.circuits.tasks.tell": 1,
    "pool.alerts.tasks.read_timeline": 1,
    "pool.alerts.tasks.deliver": 1,
    "lbsite.tasks.mend": 2,
    "pool.tasks.republish": 3,
    "pool.tasks.track_edges": 5,
    "pool.tasks.prune": 300,
    "pool.health.tasks.prune": 300,
    "pool.circuits.tasks.forget_deleted": 300,
    "analytics.tasks.prune": 300,
    "analytics.tasks.prune_requests": 60,
    "pool.alerts.tasks.tidy": 10,
    "pool.alerts.tasks.prune": 300,
    "lbsite.tasks.clear_sessions": 3600,
    "lbsite.tasks.clear_admin_log": 3600,
}


def broker_url(redis_url: str) -> str:
    """`redis_url`, a URL as redis-py reads it, in the spelling that Celery's transport reads.

    They differ for unix sockets only: `unix:///path?db=1` is `redis+socket:///path?virtual_host=1`.
    """
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"


def beat_schedule(tasks: dict[str, float]) -> dict[str, dict[str, Any]]:
    return {
        task: {"task": task, "schedule": seconds, "options": {"expires": seconds}}
        for task, seconds in tasks.items()
    }


app = Celery(
    "lbsite",
    broker=broker_url(settings.LB_REDIS_URL),
    task_cls=PatientTask,
    set_as_current=True,
)
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    timezone=settings.TIME_ZONE,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # Redis may be away for as long as it likes
    broker_connection_timeout=2,
    broker_channel_error_retry=True,  # Redis may answer and yet take no writes
    worker_consumer="lbsite.consumer:PatientConsumer",
    broker_transport_options={
        # No task runs for minutes: what a killed worker had fetched comes back soon.
        "visibility_timeout": 120,
        "socket_connect_timeout": 2,
        "socket_timeout": 10,  # far more than a fetch blocks: Redis' machine may be gone
        "socket_keepalive": True,
        "health_check_interval": 10,
    },
    # Tasks wait for sockets and the database, not for the processor.
    worker_pool="threads",
    worker_concurrency=len(PERIODIC_TASKS) + 4,  # each may wait, and ticks of probing overlap
    worker_prefetch_multiplier=1,
    beat_scheduler="lbsite.beat:PatientScheduler",
    beat_schedule=beat_schedule(PERIODIC_TASKS),
    beat_schedule_filename=str(settings.DATA_DIR / "celerybeat-schedule"),
)
app.autodiscover_tasks(
    ["pool", "pool.health", "pool.circuits", "pool.alerts", "analytics", "lbsite"]
)


@signals.setup_logging.connect
def _keep_djangos_logging(**_: Any) -> None:
    """With a receiver here, Celery leaves logging as `settings.LOGGING` says."""
