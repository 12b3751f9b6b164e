"""The tiers of a pool as they serve for now, and the choice among them."""

from bisect import bisect_right
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import accumulate

from pool.tiers import Share
from proxy.core.backend import Backend
from proxy.core.tier import Tier


class LineUp:
    """Replaced by another one whenever it is worked out anew who serves, and never changed.

    `order`: the tiers in which anybody takes part. `whole`: the one that has all of the
    traffic; None where several share it. `hopeless`: nobody in it is well.
    """

    __slots__ = ("_ends", "hopeless", "order", "whole")

    def __init__(self, shares: Sequence[Share], tiers: Mapping[int, Tier]) -> None:
        taking_part = [share for share in shares if share.places]
        self.order = tuple([tiers[share.tier] for share in taking_part])
        self._ends = list(accumulate(share.percent for share in taking_part))
        whole = [tiers[share.tier] for share in taking_part if share.percent == 100]
        self.whole: Tier | None = whole[0] if whole else None
        self.hopeless = not any(share.healthy for share in shares)

    def pick(self, point: int, excluded: Container[Backend], key: bytes | None) -> Backend | None:
        """From the tier whose turn it is at `point`, 0 to 99, or else from the first that can.

        There must be a tier.
        """
        tiers = self.order
        turn = bisect_right(self._ends, point)
        for tier in (tiers[turn], *tiers[:turn], *tiers[turn + 1 :]):
            backend = tier.pick(excluded, key)
            if backend is not None:
                return backend
        return None

    def others(self, tried: Container[Backend]) -> Iterator[Backend]:
        """All that take part and are not among `tried`."""
        for tier in self.order:
            for backend in tier.balancer.backends:
                if backend not in tried:
                    yield backend
