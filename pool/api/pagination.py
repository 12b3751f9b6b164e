"""Pages of lists.

A parameter that makes no page is refused, where REST framework's own classes would answer
with another page than was asked for.
"""

from datetime import UTC

from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination, LimitOffsetPagination
from rest_framework.request import Request

_ROWS = 100  # unless said
_MOST_ROWS = 1000
_FARTHEST = 1_000_000_000  # more than any table of a list has


class Page(LimitOffsetPagination):
    default_limit = _ROWS
    max_limit = _MOST_ROWS

    def get_limit(self, request: Request) -> int:
        return _whole(request, self.limit_query_param, _ROWS, 1, _MOST_ROWS)

    def get_offset(self, request: Request) -> int:
        return _whole(request, self.offset_query_param, 0, 0, _FARTHEST)


class TimePage(CursorPagination):
    """Newest first, without a count: these tables grow, and a page must cost the same."""

    ordering = ("-at", "-id")
    page_size = _ROWS
    page_size_query_param = "limit"
    max_page_size = _MOST_ROWS

    def get_page_size(self, request: Request) -> int:
        return _whole(request, "limit", _ROWS, 1, _MOST_ROWS)

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise _bad_cursor() from error
        if (
            cursor is not None
            and cursor.position is not None
            and not _is_time(str(cursor.position))
        ):
            raise _bad_cursor()
        return cursor


def _whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high:
        return int(text)
    raise ValidationError({name: [f"“{text}” will not do; give a whole number, {low} to {high}."]})


def _bad_cursor() -> ValidationError:
    text = "This is no cursor; take the whole of `next` or `previous` from a page."
    return ValidationError({"cursor": [text]})


def _is_time(text: str) -> bool:
    """Whether a column of times can be compared with it."""
    try:
        at = parse_datetime(text)
        return at is not None and at.tzinfo is not None and bool(at.astimezone(UTC))
    except (ValueError, OverflowError):
        return False
