"""A request's body, as it can be sent more than once, or not."""

from collections.abc import Iterator
from typing import Any


class Body:
    """`content` is what `requests` sends: nothing, bytes, text, or something to read from.

    What can be read only once is sent once (RFC 9110 §9.2.2 leaves no other way).
    """

    def __init__(self, content: Any) -> None:
        self.content = content
        self._start: int | None = None
        seekable = hasattr(content, "seek") and hasattr(content, "tell")
        if seekable:
            try:
                self._start = content.tell()
            except OSError:  # a pipe, or a socket's file
                seekable = False
        self.replayable: bool = seekable or not (
            hasattr(content, "read") or isinstance(content, Iterator)
        )

    def rewind(self) -> None:
        if self._start is not None:
            self.content.seek(self._start)
