"""Where traffic went while edges could ask nobody, as their circuits tell it later."""

import pytest

from pool.bus import FailoverState
from pool.choices import CircuitState, EventKind, Failback, HealthState, TierMode
from pool.circuits.records import LoneChange, Told
from pool.failover.decide import follow
from pool.failover.meanwhile import catch_up, outages
from pool.outage import Known
from pool.snapshot import BackendSpec, PoolSpec, TierPolicy

CLOSED, OPEN, HALF_OPEN, FORCED = CircuitState
OVER, BACK = EventKind.FAILOVER, EventKind.FAILBACK
WELL, ILL = HealthState.HEALTHY, HealthState.UNHEALTHY
BEGUN, NOW = 1000.0, 2000.0


def pool_of(*tiers, **policy):
    """Backends 1, 2 … in these tiers."""
    backends = tuple(
        BackendSpec(id=n, name=f"b{n}", url="http://h", tier=tier)
        for n, tier in enumerate(tiers, 1)
    )
    return PoolSpec(id=7, name="web", backends=backends, tiers=TierPolicy(**policy))


def changes(*lines):
    """(at, backend, state after), each from the state that the line before left, or closed."""
    states, made = {}, []
    for at, number, after in lines:
        told = Told(
            kind=EventKind.CIRCUIT_OPENED,
            at=at,
            before=states.get(number, CLOSED),
            after=after,
            generation=len(made) + 1,
            cause="",
            until=0.0,
        )
        states[number] = after
        made.append(LoneChange(backend_id=number, told=told))
    return made


class Story:
    """A pool that has served since BEGUN, and what is laid before it NOW."""

    def __init__(self, pool, **state):
        self.pool = pool
        self.known = {backend.id: Known(WELL, CLOSED) for backend in pool.backends}
        begun, _ = follow(pool, FailoverState(**state), {}, BEGUN)
        self.state = begun

    def tell(self, *lines, now=NOW):
        made = changes(*lines)
        for change in made:
            number = change.backend_id
            self.known[number] = self.known[number]._replace(circuit=change.told.after)
        return self.take_up(made, now)

    def take_up(self, made, now=NOW):
        why = {number: known.why_out(self.pool) for number, known in self.known.items()}
        out = {number: reason for number, reason in why.items() if reason}
        past = outages(self.pool, self.known, made)
        self.state, self.moves = catch_up(self.pool, self.state, past, out, now)
        return [(move.at, move.kind, move.before, move.after) for move in self.moves]


def test_a_failover_that_was_over_before_anybody_heard_of_it_is_told_with_its_times():
    story = Story(pool_of(0, 0, 1))
    assert story.tell((1100.0, 1, OPEN), (1101.0, 2, OPEN), (1110.0, 1, HALF_OPEN)) == [
        (1101.0, OVER, (0,), (1,)),
        (1110.0, BACK, (1,), (0,)),
    ]
    assert [move.cause for move in story.moves] == [
        "tier 0: 0 of 2 backends well, 2 circuits open; decided by edges without Redis",
        "tier 0: 1 of 2 backends well, 1 circuit open; decided by edges without Redis",
    ]
    assert (story.state.serving, story.state.since) == ((0,), 1110.0)


def test_one_that_lasts_is_told_once_and_when_it_was():
    story = Story(pool_of(0, 1))
    assert story.tell((1100.0, 1, OPEN)) == [(1100.0, OVER, (0,), (1,))]
    assert story.state.since == 1100.0
    assert story.take_up([]) == []


def test_without_changes_it_is_as_if_nobody_had_been_alone():
    story = Story(pool_of(0, 1))
    story.known[1] = Known(ILL, CLOSED)
    assert story.take_up([]) == [(NOW, OVER, (0,), (1,))]


@pytest.mark.parametrize("policy", [{"failback": Failback.MANUAL}, {"failback_delay": 60.0}])
def test_what_is_over_holds_no_traffic_and_what_lasts_does(policy):
    story = Story(pool_of(0, 1, **policy))
    told = story.tell((1100.0, 1, OPEN), (1110.0, 1, HALF_OPEN))
    assert [kind for _, kind, _, _ in told] == [OVER, BACK]
    assert (story.state.floor, {move.floor for move in story.moves}) == (0, {0})
    story.tell((2100.0, 1, OPEN), now=2200.0)
    assert (story.state.floor, story.moves[-1].floor) == (1, 1)


def test_traffic_that_was_held_already_returns_there():
    story = Story(pool_of(0, 1, failback=Failback.MANUAL), floor=1)
    assert story.tell((1100.0, 2, OPEN), (1110.0, 2, HALF_OPEN)) == [
        (1100.0, BACK, (1,), (0,)),
        (1110.0, OVER, (0,), (1,)),
    ]
    assert story.state.floor == 1


def test_a_floor_set_by_hand_stays_whatever_happened():
    story = Story(pool_of(0, 1), floor=1, manual=True)
    story.tell((1100.0, 2, OPEN))
    assert (story.state.floor, story.state.manual, story.state.serving) == (1, True, (0,))
    assert story.moves[-1].manual


def test_traffic_that_spilled_over_step_by_step_is_held_where_it_came_to():
    policy = TierMode.SPILL_OVER
    story = Story(pool_of(0, 0, 1, mode=policy, failback=Failback.MANUAL))
    assert story.tell((1100.0, 1, OPEN), (1200.0, 2, OPEN)) == [
        (1100.0, OVER, (0,), (0, 1)),
        (1200.0, OVER, (0, 1), (1,)),
    ]
    assert story.state.floor == 1


def test_what_a_second_worker_tells_later_never_stands_before_what_was_told():
    story = Story(pool_of(0, 1))
    story.tell((1100.0, 1, OPEN), (1110.0, 1, HALF_OPEN))
    late = changes((1, 1, HALF_OPEN), (1105.0, 1, OPEN), (1120.0, 1, HALF_OPEN))[1:]
    assert story.take_up(late) == [(1110.0, OVER, (0,), (1,)), (1120.0, BACK, (1,), (0,))]
    assert story.take_up(changes((1, 1, HALF_OPEN), (1103.0, 1, OPEN), (1104.0, 1, CLOSED))) == []


def test_of_two_workers_changes_each_counts_when_it_was():
    story = Story(pool_of(0, 0, 1))
    story.known |= {1: Known(WELL, CLOSED), 2: Known(WELL, CLOSED)}
    first = changes((1100.0, 1, OPEN), (1120.0, 1, CLOSED))
    second = changes((1110.0, 2, OPEN), (1130.0, 2, CLOSED))
    assert [told[:2] for told in story.take_up([*first, *second])] == [
        (1110.0, OVER),
        (1120.0, BACK),
    ]


def test_a_clock_that_is_ahead_tells_of_nothing_to_come():
    story = Story(pool_of(0, 1))
    assert story.tell((NOW + 60, 1, OPEN)) == [(NOW, OVER, (0,), (1,))]


def test_a_backend_that_was_ill_all_the_time_moved_nothing():
    story = Story(pool_of(0, 0, 1))
    story.known[2] = Known(ILL, CLOSED)
    assert story.tell((1100.0, 1, OPEN), (1110.0, 1, CLOSED)) == [
        (1100.0, OVER, (0,), (1,)),
        (1110.0, BACK, (1,), (0,)),
    ]
    assert story.tell((1200.0, 2, OPEN), (1210.0, 2, CLOSED)) == []


def test_with_nobody_left_traffic_is_said_to_stay():
    story = Story(pool_of(0, 1))
    assert story.tell((1100.0, 2, OPEN), (1101.0, 1, OPEN), (1102.0, 1, CLOSED)) == []


def test_a_redis_that_has_forgotten_all_learns_it_too():
    story = Story(pool_of(0, 1, failback=Failback.MANUAL))
    story.state = FailoverState()
    assert story.tell((1100.0, 1, OPEN)) == [(1100.0, OVER, (0,), (1,))]
    assert (story.state.serving, story.state.since, story.state.floor) == ((1,), 1100.0, 1)


def test_changes_of_backends_that_the_pool_has_no_more_move_nothing():
    story = Story(pool_of(0, 1))
    assert story.take_up(changes((1100.0, 9, OPEN))) == []
