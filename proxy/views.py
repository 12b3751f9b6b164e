"""The pools behind a URL of a Django project, for installations without an edge."""

from collections.abc import Iterable
from functools import cache

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from pool.connection import redis_client
from proxy.core.head import ResponseHead
from proxy.core.secret import derive_key
from proxy.core.sticky import KEY_PURPOSE
from proxy.engine.settings import read_settings
from proxy.errors import ProxyError
from proxy.gateway.gateway import Gateway, Relay, answer
from proxy.gateway.published import Published

OFF, STAFF, PUBLIC = "off", "staff", "public"


class _Forwarded(StreamingHttpResponse):
    """A backend's response, with each of its header fields as often as it came."""

    def __init__(self, relay: Relay) -> None:
        head = relay.head
        super().__init__(relay, status=head.status, reason=head.reason.decode("latin-1"))
        del self.headers["Content-Type"]
        self._fields = _without_secret_cookies(head.headers)
        if head.content_length >= 0:
            self._fields.append(("Content-Length", str(head.content_length)))
        for name, value in self._fields:
            self.headers[name] = value

    def items(self) -> Iterable[tuple[str, str]]:
        """What middlewares have set beside the backend's, or changed."""
        given = dict(self._fields)
        kept = [(name, value) for name, value in self._fields if given[name] == self.get(name)]
        names = {name.lower() for name, _ in kept}
        return [*kept, *((n, v) for n, v in self.headers.items() if n.lower() not in names)]


@csrf_exempt  # whom a form comes from is for the backend to check
def forward(request: HttpRequest, pool: str, path: str = "") -> HttpResponseBase:
    """`/<pool>/<path>` → `/<path>` at one of the pool's backends."""
    _check_access(request)
    try:
        relay = _gateway().forward(request.META)
    except ProxyError as error:
        head, body = answer(error, request.META)
        return _with_fields(HttpResponse(body, status=head.status), head)
    return _Forwarded(relay)


def _check_access(request: HttpRequest) -> None:
    access = getattr(settings, "LB_PROXY_VIEW", OFF)
    if access == PUBLIC:
        return
    if access != STAFF:
        raise Http404
    if not (request.user.is_active and request.user.is_staff):
        raise PermissionDenied


@cache
def _gateway() -> Gateway:
    """This process's."""
    mount = reverse("lb_proxy", args=["x"]).removesuffix("x/")
    key = derive_key(settings.SECRET_KEY, KEY_PURPOSE)
    return Gateway(Published(redis_client(), mount, key), read_settings(), _secret_cookies())


def _secret_cookies() -> frozenset[str]:
    """This site's own: neither do backends see them, nor may they set them."""
    return frozenset([settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME])


def _without_secret_cookies(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    kept = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        sets = value.partition("=")[0].strip() if name.lower() == "set-cookie" else ""
        if sets not in _secret_cookies() or not sets:
            kept.append((name, value))
    return kept


def _with_fields(response: HttpResponse, head: ResponseHead) -> HttpResponse:
    for name, value in head.headers:
        response[name.decode("latin-1")] = value.decode("latin-1")
    return response
