"""How many retries and hedges a pool may have in progress.

A fixed number of tries alone multiplies the load just when backends break down under
it; a share of what goes on anyway cannot.
"""

ALWAYS = 3  # in progress at once, however little goes on: Envoy's min_retry_concurrency


class RetryBudget:
    """One worker's, for one pool. It outlives configurations."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0

    def take(self, percent: int, active: int) -> bool:
        """One more, of at most so many percent of the requests that are active."""
        if self.taken >= max(ALWAYS, percent * active // 100):
            return False
        self.taken += 1
        return True

    def give_back(self) -> None:
        self.taken -= 1
