"""One table of cases for the circuits' rules: the same in memory and in Redis.

Each case is a story: lines of what happens at which second, and the state that
follows. Everything else of the circuit is compared between the two stores.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import redis as sync_redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from pool import bus
from pool.choices import CircuitEvent, CircuitMode, CircuitState, EventKind
from pool.circuits.records import (
    PERMIT_EXPIRY,
    Circuit,
    CircuitChange,
    Lease,
    Merge,
    Operation,
    Order,
    Report,
    Terms,
    Told,
)
from pool.snapshot import CircuitPolicy
from proxy.stores.memory import MemoryCircuits
from proxy.stores.redis import RedisCircuits
from tests.unreadable import UNREADABLE

CLOSED, OPEN, HALF_OPEN, FORCED = CircuitState
START = 1_700_000_000.0

CONSECUTIVE = CircuitPolicy(threshold=3, open_time=10, max_open_time=30, permits=2, successes=2)
RATIO = msgspec.structs.replace(
    CONSECUTIVE, mode=CircuitMode.FAILURE_RATIO, window=10, minimum_calls=10
)
SLOW = msgspec.structs.replace(RATIO, mode=CircuitMode.SLOW_RATIO)

Answer = tuple[Circuit, list[Told]]
Apply = Callable[[int, Operation, Terms, float], Answer]


def failures(count: int, generation: int = 0, **more: Any) -> Report:
    rows = {"leading": count, "trailing": count, "longest": count}
    return Report(generation=generation, failures=count, **rows | more)


def successes(count: int = 1, generation: int = 0, **more: Any) -> Report:
    return Report(generation=generation, successes=count, **more)


def calls(second: int, total: int, failed: int, slow: int = 0, generation: int = 0) -> Report:
    """Calls of the window's second `second`, of a window of ten seconds."""
    return Report(
        generation=generation,
        successes=total - failed - slow,
        failures=failed,
        slow=slow,
        leading=failed,
        trailing=failed if total == failed else 0,
        longest=failed,
        window={str(int(START) + second): (total, failed, slow)},
    )


def lease(*names: str) -> Lease:
    return Lease(permits=names)


def order(event: CircuitEvent) -> Order:
    return Order(event=event, cause="by anna")


OPENED, TRIED, CLOSES, HELD = (
    EventKind.CIRCUIT_OPENED,
    EventKind.CIRCUIT_HALF_OPENED,
    EventKind.CIRCUIT_CLOSED,
    EventKind.CIRCUIT_HELD,
)
KINDS = {CLOSED: CLOSES, OPEN: OPENED, HALF_OPEN: TRIED, FORCED: OPENED}


def alone(state: CircuitState, generation: int, since: float = 0.0) -> Told:
    """A change that a worker has made by itself."""
    return Told(
        kind=KINDS[state],
        at=START + since,
        before=CLOSED,
        after=state,
        generation=generation,
        cause="alone",
        until=0.0,
    )


def merge(
    state: CircuitState,
    generation: int,
    since: float = 0.0,
    *,
    untold: bool,
    earlier: tuple[Told, ...] = (),
) -> Merge:
    """`untold`: the worker has come to this by itself, after the `earlier` changes."""
    circuit = Circuit(state=state, generation=generation, since=START + since, cause="alone")
    changes = (*earlier, alone(state, generation, since)) if untold else ()
    return Merge(circuit=circuit, untold=changes)


FORCE, RELEASE, RESET = CircuitEvent.OPEN, CircuitEvent.RELEASE, CircuitEvent.RESET
PROBED = CircuitEvent.PROBED

# Each line: second, operation, state after it, generation after it, what the timeline is told last.
Line = tuple[float, Operation, CircuitState, int, EventKind | None]
STORIES: dict[str, tuple[CircuitPolicy, list[Line]]] = {
    "opens at the threshold and not before": (
        CONSECUTIVE,
        [(0, failures(2), CLOSED, 0, None), (1, failures(1), OPEN, 1, OPENED)],
    ),
    "a success ends the row": (
        CONSECUTIVE,
        [
            (0, failures(2), CLOSED, 0, None),
            (1, successes(), CLOSED, 0, None),
            (2, failures(2), CLOSED, 0, None),
            (3, failures(1), OPEN, 1, OPENED),
        ],
    ),
    "a row within one batch counts": (
        CONSECUTIVE,
        [
            (
                0,
                Report(generation=0, successes=2, failures=5, leading=1, longest=3, trailing=1),
                OPEN,
                1,
                OPENED,
            )
        ],
    ),
    "a row goes on from one batch to the next": (
        CONSECUTIVE,
        [
            (0, successes(2, failures=1, trailing=1, longest=1), CLOSED, 0, None),
            (1, successes(1, failures=2, leading=1, trailing=1, longest=1), CLOSED, 0, None),
            (2, successes(1, failures=2, leading=2, longest=2), OPEN, 1, OPENED),
        ],
    ),
    "results of an older generation are dropped": (
        CONSECUTIVE,
        [
            (0, failures(3), OPEN, 1, OPENED),
            (1, successes(9), OPEN, 1, None),
            (10, lease("a"), HALF_OPEN, 2, TRIED),
            (11, failures(3, generation=0), HALF_OPEN, 2, None),
            (11, successes(5, generation=1), HALF_OPEN, 2, None),
        ],
    ),
    "is not tried before its time": (
        CONSECUTIVE,
        [
            (0, failures(3), OPEN, 1, OPENED),
            (9.9, lease("a"), OPEN, 1, None),
            (10, lease("a"), HALF_OPEN, 2, TRIED),
        ],
    ),
    "closes after so many successes in a row": (
        CONSECUTIVE,
        [
            (0, failures(3), OPEN, 1, OPENED),
            (10, lease("a"), HALF_OPEN, 2, TRIED),
            (11, successes(1, 2, returned=("a",)), HALF_OPEN, 2, None),
            (12, successes(1, 2), CLOSED, 3, CLOSES),
        ],
    ),
    "one failure of a trial opens it again": (
        CONSECUTIVE,
        [
            (0, failures(3), OPEN, 1, OPENED),
            (10, lease("a"), HALF_OPEN, 2, TRIED),
            (11, successes(1, 2), HALF_OPEN, 2, None),
            (12, successes(9, 2, failures=1), OPEN, 3, OPENED),
        ],
    ),
    "the open time doubles up to its limit": (
        CONSECUTIVE,
        [
            (0, failures(3), OPEN, 1, OPENED),
            (10, lease("a"), HALF_OPEN, 2, TRIED),
            (11, failures(1, 2), OPEN, 3, OPENED),
            (30.9, lease("a"), OPEN, 3, None),
            (31, lease("a"), HALF_OPEN, 4, TRIED),
            (32, failures(1, 4), OPEN, 5, OPENED),
            (61.9, lease("a"), OPEN, 5, None),
            (62, lease("a"), HALF_OPEN, 6, TRIED),
        ],
    ),
    "the open time falls back after a closed period as long as the last one": (
        CONSECUTIVE,
        [
            (0, failures(3), OPEN, 1, OPENED),
            (10, lease("a"), HALF_OPEN, 2, TRIED),
            (10, successes(2, 2), CLOSED, 3, CLOSES),
            (20, failures(3, 3), OPEN, 4, OPENED),
            (30, lease("a"), HALF_OPEN, 5, TRIED),
        ],
    ),
    "the open time goes on growing after a shorter closed period": (
        CONSECUTIVE,
        [
            (0, failures(3), OPEN, 1, OPENED),
            (10, lease("a"), HALF_OPEN, 2, TRIED),
            (10, successes(2, 2), CLOSED, 3, CLOSES),
            (19, failures(3, 3), OPEN, 4, OPENED),
            (38, lease("a"), OPEN, 4, None),
            (39, lease("a"), HALF_OPEN, 5, TRIED),
        ],
    ),
    "an operator opens it, and nothing else ends that": (
        CONSECUTIVE,
        [
            (0, order(FORCE), FORCED, 1, OPENED),
            (1, successes(9, 1), FORCED, 1, None),
            (999, lease("a"), FORCED, 1, None),
            (999, order(FORCE), FORCED, 1, None),
            (1000, merge(CLOSED, 7, untold=True), FORCED, 8, CLOSES),
            (1001, order(RELEASE), HALF_OPEN, 9, TRIED),
            (1002, lease("a"), HALF_OPEN, 9, None),
            (1003, successes(2, 9), CLOSED, 10, CLOSES),
        ],
    ),
    "an open one is tried when the probes pass again, and another is left as it is": (
        CONSECUTIVE,
        [
            (0, order(PROBED), CLOSED, 0, None),
            (0, failures(3), OPEN, 1, OPENED),
            (1, order(PROBED), HALF_OPEN, 2, TRIED),
            (1, order(PROBED), HALF_OPEN, 2, None),
            (2, failures(1, 2), OPEN, 3, OPENED),
            (3, order(FORCE), FORCED, 4, OPENED),
            (4, order(PROBED), FORCED, 4, None),
        ],
    ),
    "a release of what is not forced open does nothing": (
        CONSECUTIVE,
        [(0, order(RELEASE), CLOSED, 0, None), (1, failures(3), OPEN, 1, OPENED)],
    ),
    "a reset closes, and forgets what was counted and how long it was open": (
        CONSECUTIVE,
        [
            (0, failures(3), OPEN, 1, OPENED),
            (1, order(RESET), CLOSED, 2, CLOSES),
            (2, failures(2, 2), CLOSED, 2, None),
            (3, order(RESET), CLOSED, 3, None),
            (4, failures(2, 3), CLOSED, 3, None),
            (5, failures(1, 3), OPEN, 4, OPENED),
            (15, lease("a"), HALF_OPEN, 5, TRIED),
        ],
    ),
    "a share of the calls opens, once there were enough": (
        RATIO,
        [
            (0, calls(0, total=8, failed=8), CLOSED, 0, None),
            (1, calls(1, total=2, failed=0), OPEN, 1, OPENED),
        ],
    ),
    "less than the share does not": (
        RATIO,
        [
            (0, calls(0, total=100, failed=49), CLOSED, 0, None),
            (1, calls(1, total=2, failed=2), OPEN, 1, OPENED),
        ],
    ),
    "calls before the window do not count": (
        RATIO,
        [
            (0, calls(0, total=8, failed=8), CLOSED, 0, None),
            (10, calls(10, total=9, failed=9), CLOSED, 0, None),
            (11, calls(11, total=1, failed=0), OPEN, 1, OPENED),
        ],
    ),
    "slow calls count together with failed ones": (
        SLOW,
        [
            (0, calls(0, total=9, failed=2, slow=3), CLOSED, 0, None),
            (1, calls(1, total=1, failed=0, slow=0), OPEN, 1, OPENED),
            (11, lease("a"), HALF_OPEN, 2, TRIED),
            (12, calls(12, total=1, failed=0, slow=1, generation=2), OPEN, 3, OPENED),
        ],
    ),
    "it is tried nevertheless if a clock was wrong by hours when it opened": (
        CONSECUTIVE,
        [
            (3600, failures(3), OPEN, 1, OPENED),
            (3590.1, lease("a"), OPEN, 1, None),
            (3590, lease("a"), HALF_OPEN, 2, TRIED),
        ],
    ),
    "calls of a time to come do not count": (
        RATIO,
        [
            (3600, calls(3600, total=9, failed=9), CLOSED, 0, None),
            (0, calls(0, total=1, failed=0), CLOSED, 0, None),
            (1, calls(1, total=9, failed=9), OPEN, 1, OPENED),
        ],
    ),
    "what a worker came to alone is taken up if it is later": (
        CONSECUTIVE,
        [
            (0, merge(OPEN, 1, untold=True), OPEN, 1, OPENED),
            (1, merge(OPEN, 1, 1, untold=True), OPEN, 1, None),
            (2, merge(CLOSED, 3, untold=True), CLOSED, 3, CLOSES),
            (3, merge(OPEN, 2, untold=True), CLOSED, 3, None),
            (4, merge(OPEN, 3, -1, untold=True), CLOSED, 3, None),
            (5, merge(OPEN, 3, 1, untold=True), OPEN, 3, OPENED),
        ],
    ),
    "what Redis has lost comes back without a second event": (
        CONSECUTIVE,
        [(0, merge(FORCED, 5, untold=False), FORCED, 5, None)],
    ),
}


class InMemory:
    def __init__(self) -> None:
        self._store = MemoryCircuits()

    def __call__(self, backend: int, operation: Operation, terms: Terms, now: float) -> Answer:
        return self._store.apply(backend, operation, terms, now)


class InRedis:
    """The asynchronous store, a step at a time."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._redis: Redis = Redis.from_url(url)
        self._store = RedisCircuits(self._redis)

    def __call__(self, backend: int, operation: Operation, terms: Terms, now: float) -> Answer:
        applied = self._store.apply([(backend, operation, terms)], now)
        return self._runner.run(applied)[0]

    def close(self) -> None:
        self._runner.run(self._redis.aclose())
        self._runner.close()


@pytest.fixture
def in_redis(redis_client: sync_redis.Redis, redis_url: str) -> Any:
    store = InRedis(redis_url)
    yield store
    store.close()


@pytest.fixture(params=["memory", "redis"])
def apply(request: pytest.FixtureRequest) -> Apply:
    store: Apply = InMemory() if request.param == "memory" else request.getfixturevalue("in_redis")
    return store


def terms(policy: CircuitPolicy = CONSECUTIVE, limit: int = 1, pool_id: int = 1) -> Terms:
    return Terms(pool_id=pool_id, limit=limit, policy=policy)


@pytest.mark.parametrize("name", STORIES)
def test_story(apply: Apply, name: str) -> None:
    policy, lines = STORIES[name]
    for second, operation, state, generation, kind in lines:
        circuit, told = apply(7, operation, terms(policy), START + second)
        assert (circuit.state, circuit.generation) == (state, generation), (second, operation)
        assert (told[-1].kind if told else None) is kind, (second, operation)


def test_an_event_tells_why_and_how_much(apply: Apply) -> None:
    circuit, told = apply(7, failures(4), terms(), START)
    assert told == [
        Told(
            kind=OPENED,
            at=START,
            before=CLOSED,
            after=OPEN,
            generation=1,
            cause="4 failures in a row",
            until=START + 10,
            failures=4,
        )
    ]
    assert (circuit.since, circuit.until, circuit.cause) == (START, START + 10, told[0].cause)
    _, [other] = apply(8, calls(0, total=20, failed=12), terms(RATIO, limit=2), START)
    assert other.cause == "12 of 20 calls failed in 10 s"
    assert (other.failures, other.calls) == (12, 20)


def test_all_that_a_worker_went_through_alone_is_told_and_once(apply: Apply) -> None:
    """Another one, which has found the same meanwhile, adds only what came after it."""
    apply(7, failures(3), terms(), START)
    story = (alone(HALF_OPEN, 2, 10), alone(CLOSED, 3, 11), alone(OPEN, 4, 12))
    _, told = apply(7, merge(HALF_OPEN, 5, 13, untold=True, earlier=story), terms(), START + 20)
    assert told == [*story, alone(HALF_OPEN, 5, 13)]
    _, told = apply(7, merge(HALF_OPEN, 5, 14, untold=True, earlier=story), terms(), START + 21)
    assert told == []
    story = (*story, alone(HALF_OPEN, 5, 14))
    circuit, told = apply(7, merge(OPEN, 6, 15, untold=True, earlier=story), terms(), START + 22)
    assert told == [alone(OPEN, 6, 15)]
    assert circuit.state is OPEN


def half_open(apply: Apply, *names: str) -> Circuit:
    apply(7, failures(3), terms(), START)
    return apply(7, lease(*names), terms(), START + 10)[0]


def test_no_more_permits_than_the_policy_has_are_out(apply: Apply) -> None:
    assert set(half_open(apply, "a", "b", "c").permits) == {"a", "b"}
    assert set(apply(7, lease("d"), terms(), START + 11)[0].permits) == {"a", "b"}


def test_a_permit_is_free_again_when_it_is_returned_or_has_expired(apply: Apply) -> None:
    half_open(apply, "a", "b")
    apply(7, Report(generation=2, returned=("a",)), terms(), START + 11)
    assert set(apply(7, lease("c", "d"), terms(), START + 12)[0].permits) == {"b", "c"}
    later = START + 10 + PERMIT_EXPIRY
    assert set(apply(7, lease("d"), terms(), later)[0].permits) == {"c", "d"}


def test_a_permit_that_lasts_longer_than_any_can_is_free(apply: Apply) -> None:
    half_open(apply, "a", "b")
    assert set(apply(7, lease("c"), terms(), START - 3600)[0].permits) == {"c"}


def test_who_asks_for_a_permit_again_keeps_it(apply: Apply) -> None:
    half_open(apply, "a", "b")
    circuit, _ = apply(7, lease("b", "c"), terms(), START + 20)
    assert circuit.permits == {"a": START + 10 + PERMIT_EXPIRY, "b": START + 20 + PERMIT_EXPIRY}


def test_the_pools_limit_keeps_circuits_closed_and_says_so(apply: Apply) -> None:
    two = terms(limit=2)
    for backend in (1, 2):
        assert apply(backend, failures(3), two, START)[0].state is OPEN
    circuit, told = apply(3, failures(3), two, START)
    assert circuit.state is CLOSED
    assert [one.kind for one in told] == [HELD]
    assert told[0].cause == "3 failures in a row, but no more than 2 of the pool may be open"
    assert apply(3, failures(1), two, START + 1)[1] == [], "it is said once in a while"
    assert apply(3, failures(1), two, START - 3600)[1], "but not only when a clock is right again"
    assert apply(4, failures(3), terms(pool_id=2), START)[0].state is OPEN, "another pool's"
    apply(1, order(RESET), two, START + 2)
    assert apply(3, failures(1), two, START + 3)[0].state is OPEN


def test_a_half_open_circuit_and_a_forced_one_count_towards_the_limit(apply: Apply) -> None:
    two = terms(limit=2)
    apply(1, failures(3), two, START)
    apply(1, lease("a"), two, START + 10)
    apply(2, order(FORCE), two, START + 10)
    assert apply(3, failures(3), two, START + 11)[0].state is CLOSED
    assert apply(1, failures(1, 2), two, START + 12)[0].state is OPEN, "it is out already"


def test_what_workers_have_opened_alone_keeps_to_the_limit_too(apply: Apply) -> None:
    """Each was alone, and has opened as many as may be: others than the other one."""
    one = terms(limit=1)
    assert apply(1, merge(OPEN, 1, untold=True), one, START)[0].state is OPEN
    circuit, told = apply(2, merge(OPEN, 1, untold=True), one, START)
    assert (circuit.state, circuit.generation) == (CLOSED, 2)
    assert [one.kind for one in told] == [OPENED, HELD]
    assert told[1].cause == (
        "a worker has opened it by itself, but no more than 1 of the pool may be open"
    )
    assert apply(2, merge(OPEN, 1, 5, untold=True), one, START)[0] == circuit, "the next worker's"
    assert apply(1, merge(HALF_OPEN, 2, untold=True), one, START)[0].state is HALF_OPEN
    assert apply(3, merge(FORCED, 1, untold=False), one, START)[0].state is FORCED


def test_an_operator_may_go_beyond_the_limit(apply: Apply) -> None:
    none = terms(limit=0)
    assert apply(1, failures(3), none, START)[0].state is CLOSED
    assert apply(1, order(FORCE), none, START)[0].state is FORCED


# --- what only Redis does: announcing, the stream, and forgetting ---


@pytest.fixture
def announced(listen: Any) -> Callable[[], list[CircuitChange]]:
    heard = listen(bus.CIRCUIT_CHANNEL)
    return lambda: [msgspec.json.decode(data, type=CircuitChange) for _, data in heard()]


def test_changes_and_the_first_failure_are_announced(
    in_redis: InRedis, announced: Callable[[], list[CircuitChange]]
) -> None:
    for second, operation in enumerate(
        [failures(1), failures(1), successes(), failures(1), failures(2)]
    ):
        in_redis(7, operation, terms(), START + second)
    heard = announced()
    assert {change.backend_id for change in heard} == {7}
    assert [(one.circuit.state, one.circuit.failures) for one in heard] == [
        (CLOSED, 1),
        (CLOSED, 1),
        (OPEN, 0),
    ]


def test_that_calls_are_to_be_told_of_is_announced_once(
    in_redis: InRedis, announced: Callable[[], list[CircuitChange]]
) -> None:
    for second in (0, 1, 30):
        in_redis(7, calls(second, total=5, failed=1), terms(RATIO), START + second)
    assert [change.circuit.watched for change in announced()] == [START + 10, START + 40]


def test_the_stream_holds_each_event_once(
    in_redis: InRedis, redis_client: sync_redis.Redis
) -> None:
    in_redis(7, failures(3), terms(), START)
    in_redis(7, failures(3), terms(), START)
    in_redis(7, order(RESET), terms(), START + 1)
    happenings = [
        msgspec.json.decode(entry[bus.EVENTS_FIELD], type=bus.Happening)
        for _, entry in redis_client.xrange(bus.EVENTS_STREAM)
    ]
    assert [(one.kind, one.backend_id, one.at, one.message) for one in happenings] == [
        (OPENED, 7, START, "circuit closed → open (3 failures in a row)"),
        (CLOSES, 7, START + 1, "circuit open → closed (by anna)"),
    ]


def test_the_stream_holds_what_happened_without_redis_as_of_when_it_did(
    in_redis: InRedis, redis_client: sync_redis.Redis
) -> None:
    story = (alone(OPEN, 1, -30), alone(HALF_OPEN, 2, -20))
    in_redis(7, merge(CLOSED, 3, -10, untold=True, earlier=story), terms(), START)
    happenings = [
        msgspec.json.decode(entry[bus.EVENTS_FIELD], type=bus.Happening)
        for _, entry in redis_client.xrange(bus.EVENTS_STREAM)
    ]
    assert [(one.kind, one.at) for one in happenings] == [
        (OPENED, START - 30),
        (TRIED, START - 20),
        (CLOSES, START - 10),
    ]


@pytest.mark.parametrize(
    "raw",
    [*UNREADABLE, b"[]", b'{"state": "ajar"}', b'{"state": "open", "permits": 1}'],
)
def test_a_circuit_that_cannot_be_read_is_begun_anew_and_does_not_count(
    in_redis: Apply, redis_client: sync_redis.Redis, raw: bytes
) -> None:
    redis_client.hset(bus.CIRCUITS_KEY, mapping={"1": raw, "2": raw})
    redis_client.sadd(bus.OUT_CIRCUITS_KEY % 1, "1")
    circuit, _ = in_redis(2, failures(3), terms(limit=1), START)
    assert (circuit.state, circuit.generation) == (OPEN, 1)
    circuit, _ = in_redis(1, order(CircuitEvent.OPEN), terms(), START)
    assert circuit.state is FORCED


def test_a_circuit_without_what_an_older_version_did_not_know_goes_on(
    in_redis: Apply, redis_client: sync_redis.Redis
) -> None:
    redis_client.hset(bus.CIRCUITS_KEY, "1", '{"state": "closed", "generation": 4}')
    circuit, _ = in_redis(1, failures(3, generation=4), terms(), START)
    assert (circuit.state, circuit.generation) == (OPEN, 5)


def test_a_failure_at_the_limit_of_a_large_pool_looks_at_a_few_circuits(
    in_redis: Apply, redis_client: sync_redis.Redis
) -> None:
    large = terms(limit=200)
    for backend in range(1, 201):
        in_redis(backend, order(CircuitEvent.OPEN), large, START)
    redis_client.config_resetstat()
    circuit, _ = in_redis(300, failures(3), large, START)
    assert circuit.state is CLOSED
    assert redis_client.info("commandstats")["cmdstat_hget"]["calls"] <= 11


def test_of_many_circuits_whose_backends_are_gone_room_is_found(
    in_redis: Apply, redis_client: sync_redis.Redis
) -> None:
    large = terms(limit=100)
    redis_client.sadd(bus.OUT_CIRCUITS_KEY % 1, *range(1000, 1100))
    circuit, _ = in_redis(1, failures(3), large, START)
    assert circuit.state is OPEN
    assert redis_client.scard(bus.OUT_CIRCUITS_KEY % 1) <= 91


def test_a_circuit_whose_backend_is_gone_does_not_count(
    in_redis: InRedis, redis_client: sync_redis.Redis
) -> None:
    in_redis(1, failures(3), terms(), START)
    redis_client.hdel(bus.CIRCUITS_KEY, "1")
    assert in_redis(2, failures(3), terms(), START)[0].state is OPEN


# --- anything that may happen, in any order ---

NAMES = st.sampled_from("abcd")
COUNTS = st.integers(0, 4)
REPORTS = st.builds(
    Report,
    generation=st.integers(0, 4),
    successes=COUNTS,
    failures=COUNTS,
    slow=COUNTS,
    leading=COUNTS,
    trailing=COUNTS,
    longest=COUNTS,
    window=st.dictionaries(
        st.integers(int(START), int(START) + 40).map(str), st.tuples(COUNTS, COUNTS, COUNTS)
    ),
    returned=st.lists(NAMES, max_size=2).map(tuple),
)
OPERATIONS = st.one_of(
    REPORTS,
    st.builds(failures, COUNTS, st.integers(0, 4)),
    st.builds(Lease, permits=st.lists(NAMES, max_size=3, unique=True).map(tuple)),
    st.builds(order, st.sampled_from([FORCE, RELEASE, RESET, PROBED])),
    st.builds(
        merge, st.sampled_from(CircuitState), COUNTS, st.integers(-5, 40), untold=st.booleans()
    ),
)
STEPS = st.lists(st.tuples(st.integers(1, 3), OPERATIONS, st.integers(0, 12)), max_size=25)
_runs = itertools.count(1)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=st.sampled_from([CONSECUTIVE, RATIO, SLOW]), limit=st.integers(0, 3), steps=STEPS)
def test_memory_and_redis_come_to_the_same(
    in_redis: InRedis, policy: CircuitPolicy, limit: int, steps: list[tuple[int, Operation, int]]
) -> None:
    pool = terms(policy, limit, pool_id=next(_runs))
    in_memory = InMemory()
    now = START
    for number, operation, pause in steps:
        now += pause
        backend = 1000 * pool.pool_id + number
        assert in_redis(backend, operation, pool, now) == in_memory(backend, operation, pool, now)
