"""Model fields that store one normalised spelling, whoever wrote the value.

`clean()` is where Django both checks a value and replaces it by the cleaned one,
so that forms, REST, commands and the shell all end up with the same text.
"""

import re
from abc import ABC, abstractmethod
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import BaseValidator
from django.db import models
from django.utils.deconstruct import deconstructible

from pool import addresses, hash_key, header_rules, tls
from pool.header_rules import HeaderRulesError, Message
from pool.health.pattern import compile_pattern

MAX_JSON_BYTES = 16 * 1024  # it travels with every snapshot

_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class NormalisedCharField(models.CharField, ABC):
    """Text of which one spelling is stored."""

    @abstractmethod
    def normalise(self, text: str) -> str:
        """The one form of `text`; ValueError with the fix if it has none."""

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        return super().clean(self.spelling(self.to_python(value) or ""), model_instance)

    def spelling(self, text: str) -> str:
        """As `normalise`, and "" where a field may be blank; ValidationError if there is none."""
        if self.blank and not text:
            return ""
        try:
            return self.normalise(text)
        except ValueError as error:
            raise ValidationError(str(error), code="invalid") from error


class OriginField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        return addresses.normalise_origin(text)


class HostField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        return addresses.normalise_host(text)


class PathPrefixField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        return addresses.normalise_path_prefix(text)


class RequestTargetField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        return addresses.normalise_request_target(text)


class StatusRangesField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        return addresses.normalise_status_ranges(text)


class BodyPatternField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        compile_pattern(text)
        return text


class HostHeaderField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        return addresses.normalise_host_header(text)


class HashKeyField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        return str(hash_key.parse(text))


class TokenField(NormalisedCharField):
    """A name as RFC 9110 §5.6.2 allows it: of a cookie, or of a header field."""

    def normalise(self, text: str) -> str:
        return header_rules.normalise_token(text)


class ServerNameField(NormalisedCharField):
    def normalise(self, text: str) -> str:
        return addresses.normalise_server_name(text)


class CertificatesFormField(forms.CharField):
    def prepare_value(self, value: Any) -> Any:
        """A key that was pasted by mistake is not shown again beside its error."""
        return "" if isinstance(value, str) and tls.holds_private_key(value) else value

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "rows": 6, "spellcheck": "false"}


class CertificatesField(models.TextField):
    """PEM certificates that can be loaded, and nothing else."""

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        try:
            value = tls.normalise_certificates(self.to_python(value) or "")
        except ValueError as error:
            raise ValidationError(str(error), code="invalid") from error
        return super().clean(value, model_instance)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": CertificatesFormField, **kwargs})


class HeaderRulesFormField(forms.Field):
    """Header rules as text, one a line."""

    widget = forms.Textarea

    def __init__(self, *, message: Message, **kwargs: Any) -> None:
        self.message = message
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> list[dict[str, str]]:
        try:
            rules = header_rules.parse_lines(value or "", self.message)
        except HeaderRulesError as error:
            raise ValidationError(error.problems, code="invalid") from error
        return header_rules.format_json(rules)

    def prepare_value(self, value: Any) -> Any:
        """Rules as lines; what was typed stays as it is."""
        if value is None or isinstance(value, str):
            return value
        return header_rules.format_lines(header_rules.from_stored(value))

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        attributes = {"rows": 4, "spellcheck": "false", "placeholder": self._example()}
        return {**super().widget_attrs(widget), **attributes}

    def _example(self) -> str:
        if self.message is Message.PROBE:
            return "set X-Forwarded-Proto: https"
        if self.message is Message.REQUEST:
            return "set X-Environment: production\nremove Cookie"
        return "set X-Frame-Options: DENY\nremove Server"


class HeaderRulesField(models.JSONField):
    """A list of header rules in the JSON of `pool.header_rules`."""

    # As in JSONObjectField: {} and "" must not pass unchecked.
    empty_values = ()

    def __init__(self, *args: Any, message: Message, **kwargs: Any) -> None:
        self.message = Message(message)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "message": self.message.value}

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        if value is None and self.null:
            return None
        try:
            rules = header_rules.parse_json([] if value is None else value, self.message)
        except HeaderRulesError as error:
            raise ValidationError(error.problems, code="invalid_rules") from error
        return header_rules.format_json(rules)

    def formfield(self, **kwargs: Any) -> Any:
        ours = {"form_class": HeaderRulesFormField, "message": self.message}
        # Django hides the initial value in the form when the default is a callable, for forms
        # whose defaults differ by the time that they are sent; this one is always [].
        ours["show_hidden_initial"] = False
        # Not JSONField's, which would make a form field for JSON.
        return models.Field.formfield(self, **{**ours, **kwargs})


class JSONObjectField(models.JSONField):
    """An object that Redis, every edge and both databases hold and give back unchanged.

    The errors' code is not "invalid", for which a form puts in its own words, "Enter a
    valid JSON.", and hides what is wrong.
    """

    # Django's list takes [] for "nothing given" and would let it through unchecked.
    empty_values = ()

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        value = {} if value in (None, "") else value
        if not isinstance(value, dict):
            raise ValidationError(
                'Give a JSON object, such as {"rack": "b2"}.', code="not_storable"
            )
        try:
            encoded = msgspec.json.encode(value)
            kept = msgspec.json.decode(encoded) == value
        except (ValueError, TypeError, OverflowError, RecursionError):
            encoded, kept = b"", False
        # PostgreSQL's jsonb cannot hold U+0000.
        if not kept or _ESCAPED_NUL.search(encoded):
            raise ValidationError(
                "Use strings (without U+0000), finite numbers, true, false, null, lists and "
                "objects only.",
                code="not_storable",
            )
        if len(encoded) > MAX_JSON_BYTES:
            raise ValidationError(
                f"Shorten it to {MAX_JSON_BYTES} bytes of JSON.", code="not_storable"
            )
        return value


@deconstructible
class NumberBetween(BaseValidator):
    """Unlike Min- and MaxValueValidator, refuses NaN, which compares as neither."""

    code = "out_of_range"
    unit = ""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        super().__init__(low, f"Give a number{self.unit} from {low:g} to {high:g}.")

    def compare(self, a: float, b: float) -> bool:
        return not self.low <= a <= self.high

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.low, self.high) == (other.low, other.high)

    def __hash__(self) -> int:
        return hash((self.low, self.high))


@deconstructible
class SecondsBetween(NumberBetween):
    unit = " of seconds"
