"""What Celery does for the web process."""

from celery import shared_task
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.utils import timezone

from pool.retention import delete_in_steps, history_kept


@shared_task
def clear_sessions() -> None:
    """Django forgets a session that has expired only when its own browser comes again."""
    call_command("clearsessions")


@shared_task
def clear_admin_log() -> None:
    """Who has edited what: kept for as long as the timeline, which says more."""
    old = LogEntry.objects.filter(action_time__lt=timezone.now() - history_kept())
    delete_in_steps(old.order_by("pk"))
