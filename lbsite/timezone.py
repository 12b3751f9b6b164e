"""The admin in the time zone of whoever looks at it, as their browser tells it in a cookie.

REST, alerts and commands keep to the server's.
"""

from collections.abc import Callable
from datetime import tzinfo

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from analytics.reports import BadParameter
from analytics.reports.span import parse_zone

COOKIE = "lbsite_timezone"  # written by lbsite/timezone.js


class TimeZoneMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(reverse("admin:index")):
            return self.get_response(request)
        with timezone.override(_zone(request.COOKIES.get(COOKIE, ""))):
            return self.get_response(request)


def subheader(request: HttpRequest) -> str:
    """What stands below the site's name on each page of the admin."""
    return f"Times in {timezone.get_current_timezone()}"


def _zone(name: str) -> tzinfo:
    """The server's, if there is none of that name."""
    try:
        return parse_zone(name)
    except BadParameter:
        return timezone.get_default_timezone()
