"""A unique constraint that says which field to change."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


class UniqueWithin(models.UniqueConstraint):
    """Unique over several fields; its error is put on the last one.

    Django puts it on no field, and a form or a client of REST could not tell
    where to look.
    """

    def validate(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().validate(*args, **kwargs)
        except ValidationError as error:
            raise ValidationError({self.fields[-1]: error.messages}) from error
