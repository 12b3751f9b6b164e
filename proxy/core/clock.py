"""The time, as the shell tells it: nothing in the core reads a clock."""


class Clock:
    """`now`: nanoseconds of a clock that never goes back. One for each worker."""

    __slots__ = ("now",)

    def __init__(self, now: int = 0) -> None:
        self.now = now
