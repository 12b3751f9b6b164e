"""What the models refuse, told with the row and the field that it is about."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model, ProtectedError, RestrictedError


@contextmanager
def told_of(row: str) -> Iterator[None]:
    """Where several rows are saved at once: a refusal of "url" becomes one of "backend a, url"."""
    try:
        yield
    except ValidationError as error:
        told = {
            row if field == NON_FIELD_ERRORS else f"{row}, {field}": problems
            for field, problems in error.message_dict.items()
        }
        raise ValidationError(told) from error


def users_in_words(error: ProtectedError | RestrictedError) -> str:
    """The rows that keep others from being deleted, such as "route shop.test/"."""
    rows: set[Model]
    if isinstance(error, ProtectedError):
        rows = error.protected_objects
    else:
        rows = error.restricted_objects
    return ", ".join(sorted(f"{row._meta.verbose_name} {row}" for row in rows))


def in_words(error: ValidationError) -> str:
    """All of it on one line, each problem behind the name of what has it."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(
        problem if name == NON_FIELD_ERRORS else f"{name}: {problem}"
        for name, problems in error.message_dict.items()
        for problem in problems
    )
