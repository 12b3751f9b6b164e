"""Addresses under the API's root at which there is nothing."""

from http import HTTPMethod, HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, JsonResponse
from django.urls import resolve
from django.views.decorators.csrf import csrf_exempt

NAME = "api_missing"


@csrf_exempt
def missing(request: HttpRequest, rest: str) -> HttpResponse:
    """404 as JSON. What was to be written is not redirected: many clients would read instead."""
    slashed = f"{request.path_info}/"
    if rest.endswith("/") or resolve(slashed).url_name == NAME:
        return _not_found(f"There is nothing at {request.path}.")
    if request.method in (HTTPMethod.GET, HTTPMethod.HEAD):
        return HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
    return _not_found(f"Addresses end with a slash: {request.method} to {request.path}/.")


def _not_found(detail: str) -> HttpResponse:
    return JsonResponse({"detail": detail}, status=HTTPStatus.NOT_FOUND)
