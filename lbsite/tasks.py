"""What Celery does for the web process."""

from celery import shared_task
from django.core.management import call_command


@shared_task
def clear_sessions() -> None:
    """Django forgets a session that has expired only when its own browser comes again."""
    call_command("clearsessions")
