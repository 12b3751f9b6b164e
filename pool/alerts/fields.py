"""Model fields of channels and rules."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models

from pool.addresses import normalise_origin, normalise_request_target
from pool.choices import EventKind, choices_of
from pool.fields import NormalisedCharField


class WebhookUrlField(NormalisedCharField):
    """An http(s) URL with a path and a query. Errors never repeat it: it may be a secret."""

    def normalise(self, text: str) -> str:
        text = text.strip()
        if not text:
            return ""
        scheme, separator, rest = text.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            raise ValueError("Start with https:// or http://.")
        end = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
        origin = normalise_origin(f"{scheme}://{rest[:end]}")
        target = rest[end:]
        return origin + normalise_request_target(target if target[:1] == "/" else f"/{target}")


class RecipientsField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        addresses = text.replace(",", " ").replace(";", " ").split()
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError:
                raise ValueError(f"{address} is not an e-mail address.") from None
        return ", ".join(dict.fromkeys(addresses))


class EventKindsField(models.JSONField):
    """A list of kinds of events, at least one, in the order of the enumeration."""

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        known = [kind.value for kind in EventKind]
        if not isinstance(value, list) or not value:
            raise ValidationError("Choose at least one kind of event.", code="required")
        unknown = [str(kind) for kind in value if kind not in known]
        if unknown:
            raise ValidationError(
                f"There is no kind {unknown[0]}; choose of {', '.join(known)}.", code="unknown"
            )
        return [kind for kind in known if kind in value]

    def formfield(self, **kwargs: Any) -> Any:
        ours = {"form_class": forms.MultipleChoiceField, "choices": choices_of(EventKind)}
        # A hidden copy of the default, as Django makes for callables, would be one of a list.
        ours |= {"widget": forms.CheckboxSelectMultiple, "show_hidden_initial": False}
        return models.Field.formfield(self, **{**ours, **kwargs})
