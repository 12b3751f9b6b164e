"""What the models refuse, told with the row and the field that it is about."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError


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


def in_words(error: ValidationError) -> str:
    """All of it on one line, each problem behind the name of what has it."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(
        problem if name == NON_FIELD_ERRORS else f"{name}: {problem}"
        for name, problems in error.message_dict.items()
        for problem in problems
    )
