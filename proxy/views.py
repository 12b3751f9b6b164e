"""The pools behind a URL of a Django project, for installations without an edge."""

from collections.abc import Iterable
from functools import cache
from threading import Lock

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from proxy.core.head.response import ResponseHead
from proxy.core.secret import derive_key
from proxy.core.sticky import KEY_PURPOSE
from proxy.engine.request_log import RequestLog
from proxy.engine.settings import read_settings
from proxy.gateway.access import PUBLIC, STAFF, access
from proxy.gateway.counting import Counting
from proxy.gateway.gateway import Gateway, Refusal, Relay
from proxy.gateway.published import Published

_making = Lock()


class _Forwarded(StreamingHttpResponse):
    """A backend's response. Cookies are the one field that cannot be joined (RFC 6265 §3)."""

    def __init__(self, relay: Relay) -> None:
        head = relay.head
        super().__init__(relay, status=head.status, reason=head.reason.decode("latin-1"))
        del self.headers["Content-Type"]
        self._set_cookies = []
        for name, value in _decoded(head):
            if name.lower() != "set-cookie":
                self.headers[name] = f"{self.headers[name]}, {value}" if name in self else value
            elif _cookie_name(value) not in _secret_cookies():
                self._set_cookies.append((name, value))
        if head.content_length >= 0:
            self.headers["Content-Length"] = str(head.content_length)

    def items(self) -> Iterable[tuple[str, str]]:
        return [*super().items(), *self._set_cookies]


@csrf_exempt  # whom a form comes from is for the backend to check
def forward(request: HttpRequest, pool: str, path: str = "") -> HttpResponseBase:
    """`/<pool>/<path>` → `/<path>` at one of the pool's backends."""
    _check_access(request)
    if not isinstance(request, WSGIRequest):
        raise ImproperlyConfigured("The view of the pools needs WSGI: serve it with gunicorn.")
    answer = _gateway().forward(request.META)
    if isinstance(answer, Refusal):
        head = answer.head
        headers = {**dict(_decoded(head)), "Content-Length": str(head.content_length)}
        return HttpResponse(answer.body, status=head.status, headers=headers)
    return _Forwarded(answer)


def _check_access(request: HttpRequest) -> None:
    allowed = access()
    if allowed == PUBLIC:
        return
    if allowed != STAFF:
        raise Http404
    if not (request.user.is_active and request.user.is_staff):
        raise PermissionDenied


def _gateway() -> Gateway:
    """This process's: one, whichever of its threads come first."""
    with _making:
        return _make_gateway()


@cache
def _make_gateway() -> Gateway:
    mount = reverse("lb_proxy", args=["x"]).removesuffix("x/")
    key = derive_key(settings.SECRET_KEY, KEY_PURPOSE)
    edge = read_settings()
    request_log = RequestLog(edge.request_log_per_second, edge.request_log_errors_per_second)
    counting = Counting(edge.data_dir / "view", settings.LB_REDIS_URL, request_log)
    published = Published(settings.LB_REDIS_URL, mount, key)
    return Gateway(published, edge, _secret_cookies(), counting)


def _cookie_name(field: str) -> str:
    """As it will be read when it comes back.

    A browser keeps "=name=value" as a cookie without a name, and sends it as "name=value".
    """
    return field.lstrip("= \t").partition("=")[0].strip()


def _secret_cookies() -> frozenset[str]:
    """This site's own: neither do backends see them, nor may they set them."""
    return frozenset([settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME])


def _decoded(head: ResponseHead) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
