"""What is asked before something is done, and the answer afterwards."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.dataclasses import ActionDialog


def question(verb: str, consequence: str, what: str = "this backend") -> ActionDialog:
    return ActionDialog(
        title=f"{verb} {what}?",
        description=consequence,
        form_class=None,
        form_submit_text=verb,
    )


def done(request: HttpRequest, page: str, *arguments: Any) -> HttpResponse:
    """Loads the page behind the dialog again, which htmx shows; `page`: for who has no htmx."""
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return redirect(page, *arguments)


def lead(request: HttpRequest, page: str, *arguments: Any) -> HttpResponse:
    """To another page than the one behind the dialog."""
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": reverse(page, args=arguments)})
    return redirect(page, *arguments)
