"""What machines ask for on the web port, answered before anything else.

Whoever asks has no session, and often no host name that is allowed; a redirect to https
would lead nowhere.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from analytics.metrics.view import metrics
from lbsite.readiness import alive, ready

_Answer = Callable[[HttpRequest], HttpResponse]

_ANSWERS: dict[str, _Answer] = {"/healthz": alive, "/readyz": ready, "/metrics": metrics}


class EarlyMiddleware:
    """First of all: it needs none of the others."""

    def __init__(self, get_response: _Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = _ANSWERS.get(request.path_info)
        if answer is None or request.method not in ("GET", "HEAD"):
            return self.get_response(request)
        return answer(request)
