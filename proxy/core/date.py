"""The `Date` of a response (RFC 9110 §6.6.1)."""

from email.utils import formatdate
from functools import lru_cache


@lru_cache(maxsize=1)
def http_date(second: int) -> str:
    """`second` of Unix time as an IMF-fixdate (RFC 9110 §5.6.7)."""
    return formatdate(second, usegmt=True)
