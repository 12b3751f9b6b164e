"""A pool as a whole: how many are left, and how near the next trouble is."""

import pytest

from pool.bus import FailoverState
from pool.choices import TierMode
from pool.failover.live import Traffic
from pool.history.pools import assess
from pool.snapshot import TierPolicy
from pool.tiers import Place, share_out


def words(*tiers, **options):
    """`tiers`: of each, how many are well of how many."""
    policy = TierPolicy(**options)
    places = [
        Place(tier, 1, 0, index < well)
        for tier, (well, total) in enumerate(tiers)
        for index in range(total)
    ]
    return assess(Traffic(share_out(places, policy), FailoverState()), policy).words


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ([], "No backend is in service: requests are answered with 503."),
        ([(10, 10)], "10 of 10 available."),
        ([(4, 4)], "4 of 4 available: three more losses and panic starts."),
        ([(2, 4)], "2 of 4 left: one more loss and panic starts."),
        ([(1, 4)], "1 of 4 left, and panic: unhealthy backends get traffic too."),
        ([(1, 1), (2, 2)], "3 of 3 available: one more loss and traffic moves to tier 1."),
    ],
)
def test_what_comes_next_is_said(tiers, said):
    assert words(*tiers, panic_threshold=50) == said


def test_without_panic_the_last_one_is_the_end():
    assert words((1, 4), panic_threshold=0) == "1 of 4 left: one more loss and nobody can serve."
    assert words((0, 4), panic_threshold=0) == (
        "0 of 4 left: nobody can serve, requests are answered with 503."
    )


def test_tiers_that_spill_over_warn_of_panic_too():
    spilling = words((2, 4), (1, 4), panic_threshold=50, mode=TierMode.SPILL_OVER)
    assert "panic" in spilling
