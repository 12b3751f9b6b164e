"""`manage.py token USER`: the user's token for REST."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, CommandParser
from rest_framework.authtoken.models import Token


class Command(BaseCommand):
    help = "Print a user's REST token, for the header 'Authorization: Bearer …'."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name")
        parser.add_argument(
            "--new", action="store_true", help="replace the token; the old one stops working"
        )

    def handle(self, *args: Any, user: str, new: bool, **options: Any) -> None:
        model = get_user_model()
        try:
            owner = model._default_manager.get_by_natural_key(user)
        except model.DoesNotExist:
            raise CommandError(f"There is no user {user!r}.") from None
        if new:
            Token.objects.filter(user=owner).delete()
        token, _created = Token.objects.get_or_create(user=owner)
        self.stdout.write(token.key)
