"""How programs say who they are."""

from typing import Any

from rest_framework.authentication import TokenAuthentication
from rest_framework.request import Request


class BearerAuthentication(TokenAuthentication):
    """`Authorization: Bearer TOKEN`, as RFC 6750 has it; or `Token TOKEN`, REST framework's own."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        return super().authenticate(request) or TokenAuthentication().authenticate(request)
