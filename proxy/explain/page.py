"""The admin's page "Explain": a question as a form, and its answer to read."""

import time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from redis import RedisError
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from pool.connection import redis_client
from proxy.core.debug import HEADER, DebugKey
from proxy.explain.answer import Answer, Unanswerable, explain
from proxy.explain.api import may_explain
from proxy.explain.question import Question, QuestionError
from proxy.explain.screen import present

DEBUG_MINUTES = 15
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class QuestionForm(forms.Form):
    """Its shape only: the edge's own parser checks what a request may hold."""

    host = forms.CharField(
        max_length=260,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "shop.example.com"}),
    )
    path = forms.CharField(
        max_length=8192,
        initial="/",
        widget=UnfoldAdminTextInputWidget,
        help_text="With the query, if the pool's hash key is a parameter.",
    )
    method = forms.ChoiceField(
        choices=[(method, method) for method in METHODS], widget=UnfoldAdminSelectWidget
    )
    client = forms.CharField(
        label="Client address",
        required=False,
        max_length=45,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "192.0.2.1"}),
        help_text="As the edge sees it. Needed where the hash key is the client's address.",
    )
    headers = forms.CharField(
        required=False,
        max_length=65536,
        strip=False,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 3, "placeholder": "Cookie: session=abc", "class": "font-mono"}
        ),
        help_text="One a line, such as the client's cookies; the host stands above.",
    )

    def clean_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        # Not splitlines(): it takes characters for line ends that would hide in a value.
        lines = self.cleaned_data["headers"].replace("\r\n", "\n").split("\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            name, colon, value = line.partition(":")
            if not colon:
                raise forms.ValidationError(f"Line {number}: write Name: value.")
            name = name.strip()
            if name in headers:
                raise forms.ValidationError(f"Line {number}: {name} stands there already.")
            headers[name] = value.strip()
        return headers

    def answer(self) -> Answer | None:
        """None: the form, or what it asks, is in error, which it shows."""
        if not self.is_valid():
            return None
        try:
            return explain(Question(**self.cleaned_data), redis_client(), settings.SECRET_KEY)
        except QuestionError as error:
            self.add_error(error.field, str(error))
        except Unanswerable as error:
            self.add_error(None, str(error))
        except RedisError as error:
            self.add_error(None, f"Redis cannot be reached: {error}")
        return None


def explain_page(request: HttpRequest) -> HttpResponse:
    if not may_explain(request.user):
        raise PermissionDenied
    form = QuestionForm(request.POST if request.method == "POST" else None)
    answer = form.answer() if form.is_bound else None
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Explain",
        "content_title": "Explain",
        "form": form,
        "answer": present(answer) if answer is not None else None,
        "debug_header": _debug_header(),
        "debug_minutes": DEBUG_MINUTES,
    }
    return TemplateResponse(request, "proxy/admin/explain.html", context)


def _debug_header() -> str:
    expiry = int(time.time()) + 60 * DEBUG_MINUTES
    return f"{HEADER}: {DebugKey(settings.SECRET_KEY).sign(expiry)}"
