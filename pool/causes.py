"""What lies behind an error of `requests` or urllib3, which wrap each other's."""

from collections.abc import Iterator
from typing import Any


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """`error` and its causes; urllib3 keeps them in `args` and `reason` too."""
    seen: list[BaseException] = []
    queue: list[Any] = [error]
    while queue:
        current = queue.pop(0)
        if isinstance(current, BaseException) and current not in seen:
            seen.append(current)
            yield current
            queue += [*current.args, getattr(current, "reason", None)]
            queue += [current.__cause__, current.__context__]
