"""Fields that say more than REST framework's own."""

from datetime import UTC, datetime
from typing import Any, ClassVar, NoReturn

from rest_framework import serializers


class NamedChoiceField(serializers.ChoiceField):
    """Names the choices when it refuses one."""

    default_error_messages = {
        "invalid_choice": '"{input}" is not known here; choose one of these: {choices}.'
    }

    def fail(self, key: str, **values: Any) -> NoReturn:
        super().fail(key, choices=", ".join(str(name) for name in self.choices if name), **values)


class NamedRelation(serializers.SlugRelatedField):
    """Another object, by its name."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": 'There is none with the name "{value}".'
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="name", **kwargs)


class UnixTimeField(serializers.DateTimeField):
    """Told as all times are; `value` is in Unix seconds."""

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(datetime.fromtimestamp(value, UTC))
