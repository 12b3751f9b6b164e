"""Who may read /metrics, and how it is answered. Never with 500: it is asked when all is ill."""

from hashlib import sha256
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import DatabaseError, DataError
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from analytics.metrics.collector import Exposition
from pool.api.authentication import BearerAuthentication

OFF, TOKEN, OPEN = "off", "token", "open"
RIGHTS = ("analytics.view_trafficrollup", "pool.view_backend")

_HOW = (
    "Send 'Authorization: Bearer TOKEN' with the REST token of a user who may view traffic and "
    "backends. LB_METRICS=open asks for none.\n"
)


class Refused(Exception):
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


_exposition = Exposition()
# Of tokens that were good when they were checked last: they go on being so while the
# database is away, which is when the rest of what is known is wanted most.
_good: set[bytes] = set()


def metrics(request: HttpRequest) -> HttpResponse:
    try:
        _check_access(request)
    except Refused as refused:
        return _refusal(refused)
    text, content_type = _exposition.text(request.headers.get("Accept", ""))
    return HttpResponse(text, content_type=content_type, headers={"Cache-Control": "no-store"})


def _refusal(refused: Refused) -> HttpResponse:
    response = HttpResponse(str(refused), status=refused.status, content_type="text/plain")
    response["Cache-Control"] = "no-store"
    if refused.status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _check_access(request: HttpRequest) -> None:
    access = getattr(settings, "LB_METRICS", TOKEN)
    if access == OPEN:
        return
    if access == OFF:
        raise Refused(HTTPStatus.NOT_FOUND, "LB_METRICS is off.\n")
    digest = sha256(request.headers.get("Authorization", "").encode()).digest()
    try:
        user = _user(request)
        may = user.has_perms(RIGHTS)
    except DatabaseError as error:
        if digest in _good:
            return
        words = "The database is away, so that no token can be checked.\n"
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, words) from error
    if may:
        _good.add(digest)
        return
    _good.discard(digest)
    if not user.is_authenticated:
        raise Refused(HTTPStatus.UNAUTHORIZED, _HOW)
    raise Refused(HTTPStatus.FORBIDDEN, "This user may not view traffic and backends.\n")


def _user(request: HttpRequest) -> AbstractUser | AnonymousUser:
    try:
        return Request(request, authenticators=[BearerAuthentication()]).user
    except (AuthenticationFailed, DataError):  # of what no database can hold
        return AnonymousUser()
