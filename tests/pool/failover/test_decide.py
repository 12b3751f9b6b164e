"""Failover, failback and the floor, as a story of one pool."""

import pytest

from pool.bus import FailoverState
from pool.choices import AdminState, EventKind, Failback, TierMode
from pool.failover.decide import Refused, fail_back, fail_over, follow, is_tiered
from pool.obstacles import Obstacle
from pool.snapshot import BackendSpec, PoolSpec, TierPolicy


def pool_of(*tiers, **policy):
    """Backends 1, 2 … in these tiers."""
    backends = tuple(
        BackendSpec(id=n, name=f"b{n}", url="http://h", tier=tier)
        for n, tier in enumerate(tiers, 1)
    )
    return PoolSpec(id=7, name="web", backends=backends, tiers=TierPolicy(**policy))


class Story:
    """Tells what happens to the pool, and keeps what comes of it."""

    def __init__(self, pool):
        self.pool = pool
        self.state = FailoverState()
        self.now = 1000.0
        self.out = {}
        self.moves = []
        self.step()

    def step(self, seconds=0.0):
        self.now += seconds
        self._take(follow(self.pool, self.state, self.out, self.now))
        return self

    def falls_ill(self, *ids, why=Obstacle.UNHEALTHY):
        self.out |= dict.fromkeys(ids, why)
        return self.step()

    def gets_well(self, *ids):
        self.out = {number: why for number, why in self.out.items() if number not in ids}
        return self.step()

    def fail_over(self, to):
        self._take(fail_over(self.pool, self.state, self.out, self.now, to=to))

    def fail_back(self):
        self._take(fail_back(self.pool, self.state, self.out, self.now))

    def _take(self, result):
        self.state, move = result
        if move:
            self.moves.append(move)

    @property
    def told(self):
        return [(move.kind, move.before, move.after) for move in self.moves]


OVER, BACK = EventKind.FAILOVER, EventKind.FAILBACK


def test_the_first_look_tells_nothing():
    story = Story(pool_of(0, 1))
    assert (story.state.serving, story.state.since, story.moves) == ((0,), 1000.0, [])


def test_traffic_goes_and_returns_and_each_is_told_once_with_its_cause():
    story = Story(pool_of(0, 0, 1)).falls_ill(1)
    assert story.moves == []
    story.falls_ill(2).step(5).step(5).gets_well(1).step(5)
    assert story.told == [(OVER, (0,), (1,)), (BACK, (1,), (0,))]
    assert [move.cause for move in story.moves] == [
        "tier 0: 0 of 2 backends well",
        "tier 0: 1 of 2 backends well",
    ]
    assert str(story.moves[0]) == (
        "traffic moved from tier 0 to tier 1 (tier 0: 0 of 2 backends well)"
    )
    assert story.state.floor == 0


def test_the_cause_tells_open_circuits_apart():
    story = Story(pool_of(0, 0, 0, 1)).falls_ill(1).falls_ill(2, 3, why=Obstacle.CIRCUIT_OPEN)
    story.gets_well(2)
    assert [move.cause for move in story.moves] == [
        "tier 0: 0 of 3 backends well, 2 circuits open",
        "tier 0: 1 of 3 backends well, 1 circuit open",
    ]


def test_spilling_over_is_told_step_by_step_and_holds_nothing():
    story = Story(pool_of(0, 0, 1, mode=TierMode.SPILL_OVER, failback=Failback.MANUAL))
    story.falls_ill(1)
    assert (story.told, story.state.floor) == ([(OVER, (0,), (0, 1))], 0)
    story.gets_well(1).falls_ill(1, 2)
    assert story.told[1:] == [(BACK, (0, 1), (0,)), (OVER, (0,), (1,))]
    assert story.state.floor == 1


def test_a_drained_tier_is_a_failover_too():
    pool = pool_of(0, 1)
    story = Story(pool)
    drained = BackendSpec(id=1, name="b1", url="http://h", admin_state=AdminState.DRAINING)
    story.pool = PoolSpec(id=7, name="web", backends=(drained, pool.backends[1]))
    story.step()
    assert story.told == [(OVER, (0,), (1,))]
    assert story.moves[0].cause == "tier 0: no backend in service"


def test_nobody_well_anywhere_is_no_move():
    story = Story(pool_of(0, 1)).falls_ill(1).falls_ill(2)
    assert (story.told, story.state.serving) == ([(OVER, (0,), (1,))], (1,))
    story.gets_well(1)
    assert story.told[1:] == [(BACK, (1,), (0,))]


# --- failback by an operator ---


def test_with_manual_failback_traffic_waits_for_an_operator():
    story = Story(pool_of(0, 1, failback=Failback.MANUAL)).falls_ill(1).gets_well(1).step(1e6)
    assert (story.state.floor, story.told) == (1, [(OVER, (0,), (1,))])
    story.fail_back()
    assert story.told[1:] == [(BACK, (1,), (0,))]
    assert (story.state.floor, story.state.cause) == (0, "by hand")
    assert story.step(5).state.serving == (0,)


def test_failing_back_to_a_tier_that_is_not_well_yet_happens_when_it_is():
    story = Story(pool_of(0, 1, failback=Failback.MANUAL)).falls_ill(1)
    story.fail_back()
    assert (story.step(5).state.floor, story.state.serving) == (0, (1,))
    assert str(story.moves[-1]) == "traffic stays on tier 1 (by hand)"
    story.gets_well(1)
    assert story.state.serving == (0,)


def test_a_floor_is_given_up_when_nobody_above_it_is_well():
    story = Story(pool_of(0, 1, failback=Failback.MANUAL)).falls_ill(1).gets_well(1).falls_ill(2)
    assert story.told == [(OVER, (0,), (1,)), (BACK, (1,), (0,))]
    assert story.moves[1].cause == "tier 1: 0 of 1 backends well"
    assert story.gets_well(2).state.floor == 0


# --- failback after a delay ---


def delayed(*tiers):
    return Story(pool_of(*tiers, failback_delay=30.0))


def test_failback_waits_until_the_lower_tier_has_been_well_for_the_delay():
    story = delayed(0, 1).falls_ill(1).step(100).gets_well(1).step(29.9)
    assert (story.state.floor, story.state.serving) == (1, (1,))
    story.step(0.1)
    assert (story.state.floor, story.state.serving) == (0, (0,))
    assert story.told == [(OVER, (0,), (1,)), (BACK, (1,), (0,))]


def test_the_delay_begins_anew_when_the_tier_falls_ill_again():
    story = delayed(0, 1).falls_ill(1).gets_well(1).step(29).falls_ill(1).gets_well(1).step(29)
    assert story.state.serving == (1,)
    assert story.step(1).state.serving == (0,)


def test_a_tier_that_flaps_does_not_keep_another_one_from_its_traffic():
    story = delayed(0, 1, 2).falls_ill(1, 2).gets_well(2)
    for _ in range(6):
        story.gets_well(1).step(3).falls_ill(1).step(3)
    assert (story.state.floor, story.state.serving) == (1, (1,))


def test_backends_of_a_tier_may_take_turns_in_being_well():
    story = delayed(0, 0, 1).falls_ill(1, 2).gets_well(1).step(20).gets_well(2).falls_ill(1)
    assert story.step(10).state.serving == (0,)


# --- by hand ---


@pytest.mark.parametrize("failback", Failback)
def test_traffic_that_an_operator_moved_stays(failback):
    story = Story(pool_of(0, 1, failback=failback))
    story.fail_over(1)
    assert story.told == [(OVER, (0,), (1,))]
    assert (story.state.floor, story.state.manual) == (1, True)
    story.step(1e6).falls_ill(2).gets_well(2)
    assert (story.state.floor, story.state.serving) == (1, (1,))
    story.fail_back()
    assert (story.state.floor, story.state.manual, story.state.serving) == (0, False, (0,))


def test_what_serves_already_can_be_tied_to_its_tier():
    story = Story(pool_of(0, 1)).falls_ill(1)
    story.fail_over(1)
    assert story.told[1:] == [(OVER, (1,), (1,))]
    assert story.gets_well(1).state.serving == (1,)


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        (0, "Tier 0 is the lowest one: fail back to have traffic there."),
        (5, "No backend serves in tier 5; choose one of these: 0, 1."),
        (1, "No backend of tier 1 is well, so that no traffic would go there."),
    ],
)
def test_what_would_come_to_nothing_is_refused(to, problem):
    story = Story(pool_of(0, 1)).falls_ill(2)
    with pytest.raises(Refused, match=problem):
        story.fail_over(to)


def test_without_a_floor_there_is_nothing_to_fail_back_from():
    with pytest.raises(Refused, match="nothing to fail back from"):
        Story(pool_of(0, 1)).fail_back()


def test_a_pool_of_one_tier_is_left_alone():
    assert is_tiered(pool_of(0, 1))
    assert not is_tiered(pool_of(3, 3))
