"""`manage.py debug_header`: a header that asks the edge to explain a request."""

import time
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from proxy.core.debug import HEADER, MAX_LIFETIME, DebugKey


class Command(BaseCommand):
    help = (
        "Print a signed header; requests that carry it are answered with X-LB-Explain. "
        'Use it as in: curl -i -H "$(lb debug-header)" …'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--minutes", type=int, default=15, help="how long it holds (default: %(default)s)"
        )

    def handle(self, *args: Any, minutes: int, **options: Any) -> None:
        if not 0 < minutes <= MAX_LIFETIME // 60:
            raise CommandError(f"--minutes must be from 1 to {MAX_LIFETIME // 60}.")
        expiry = int(time.time()) + 60 * minutes
        self.stdout.write(f"{HEADER}: {DebugKey(settings.SECRET_KEY).sign(expiry)}")
