"""What is asked before something is done, and the answer afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from redis import RedisError
from unfold.dataclasses import ActionDialog
from unfold.forms import BaseDialogForm


class RowForm(BaseDialogForm):
    """Asks about the `row` of the page. Http404 if there is none, before anything is asked."""

    model: ClassVar[type[Model]]
    row: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = _find(self.model, str(self.object_id))


def question(
    verb: str, consequence: str, model: type[Model], what: str = "this backend"
) -> ActionDialog:
    """About a row of `model`."""
    return ActionDialog(
        title=f"{verb} {what}?",
        description=consequence,
        form_class=type(f"{model.__name__}Form", (RowForm,), {"model": model}),
        form_submit_text=verb,
    )


def _find(model: type[Model], object_id: str) -> Model:
    """`object_id` as an address has it, which anybody can write."""
    try:
        row = model._default_manager.filter(pk=unquote(object_id)).first()
    except (ValueError, ValidationError):
        row = None  # it is no key of this model
    if row is None:
        raise Http404(f"There is no {model._meta.verbose_name} {object_id}.")
    return row


@contextmanager
def refusals_told(request: HttpRequest) -> Iterator[None]:
    """Tells the user why an order changes nothing, and goes on behind it."""
    try:
        yield
    except ValidationError as error:
        messages.error(request, f"Nothing changed. {' '.join(error.messages)}")
    except RedisError as error:
        messages.error(request, f"Nothing changed, because Redis cannot be reached: {error}")


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
