"""What people and programs are told while the database or Redis cannot be used."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis import RedisError

logger = logging.getLogger(__name__)

# Faults of what is used, and not of what uses it.
AWAY = (OperationalError, InterfaceError, RedisError)

_RETRY_AFTER = 5  # seconds


def in_words(error: BaseException) -> str:
    """For whoever runs the product; on one line, with the setting that says where it is."""
    what = "LB_REDIS_URL: Redis" if isinstance(error, RedisError) else "DATABASE_URL: the database"
    return f"{what} cannot be used: {' '.join(str(error).split())}"


class UnavailableMiddleware:
    """Answers 503 in place of an error page. What is wrong is for the log: anybody may ask."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, AWAY):
            return None
        logger.error("%s %s: %s", request.method, request.path, in_words(error))
        what = "Redis" if isinstance(error, RedisError) else "The database"
        text = f"{what} cannot be used now. The traffic goes on; try again in a moment."
        return _answer(request, text)


def _answer(request: HttpRequest, text: str) -> HttpResponse:
    response: HttpResponse
    if request.path_info.startswith("/api/"):
        response = JsonResponse({"detail": text})
    else:
        response = HttpResponse(f"{text}\n", content_type="text/plain; charset=utf-8")
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    response["Retry-After"] = str(_RETRY_AFTER)
    response["Cache-Control"] = "no-store"
    return response
