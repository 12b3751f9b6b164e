"""Pages of lists."""

from rest_framework.pagination import CursorPagination, LimitOffsetPagination


class Page(LimitOffsetPagination):
    default_limit = 100
    max_limit = 1000


class TimePage(CursorPagination):
    """Newest first, without a count: these tables grow, and a page must cost the same."""

    ordering = ("-at", "-id")
    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000
