"""`lb prepare`: what must be done once before the processes of a new version start."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from lbsite.launch.admin_user import ensure_admin_user
from pool.publish import publish, waiting


class Command(BaseCommand):
    help = (
        "Migrate the database, make the admin user if there is none, and publish the "
        "configuration. `lb up` does this by itself; run it first where each process is "
        "started separately."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        user = ensure_admin_user()
        self.stdout.write(f"user      {user.name}")
        if user.password is not None:
            self.stdout.write(f"password  {user.password}  (not shown again)")
        self.stdout.write(f"revision  {publish('lb prepare').number}")
        if warning := waiting():
            self.stderr.write(self.style.WARNING(warning))
