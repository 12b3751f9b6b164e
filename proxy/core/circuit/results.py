"""How calls have ended since the last report, in the order in which they did."""

from pool.circuits.records import Report, Window


class Results:
    """`leading`, `trailing`, `longest`: failures in a row, as in `Report`."""

    __slots__ = ("_row", "failures", "leading", "longest", "slow", "successes")

    def __init__(self) -> None:
        self.successes = self.failures = self.slow = 0
        self.leading = self.longest = self._row = 0

    def success(self) -> None:
        if not self.successes:
            self.leading = self._row
        self.successes += 1
        self._row = 0

    def slow_call(self) -> None:
        self.slow += 1

    def failure(self) -> None:
        self.failures += 1
        self._row += 1
        if self._row > self.longest:
            self.longest = self._row

    @property
    def calls(self) -> int:
        return self.successes + self.failures + self.slow

    @property
    def bad(self) -> int:
        return self.failures + self.slow

    def report(self, generation: int, window: Window, returned: tuple[str, ...] = ()) -> Report:
        return Report(
            generation=generation,
            successes=self.successes,
            failures=self.failures,
            slow=self.slow,
            leading=self.leading if self.successes else self._row,
            trailing=self._row,
            longest=self.longest,
            window=window,
            returned=returned,
        )
