"""No more than the limit says, no less, and in a place that does not grow."""

from array import array
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.snapshot import RateLimitPolicy
from proxy.core.rate_limit import SLOTS, WORDS, RateLimit, Verdict, fields_of, tag_of

SECOND = 1_000_000_000
START = 1_000 * SECOND


def words() -> "array[int]":
    return array("Q", bytes(8 * WORDS))


def limit_of(**policy: float) -> RateLimit:
    return RateLimit(1, RateLimitPolicy(**policy), words())  # type: ignore[arg-type]


def taken(limit: RateLimit, tries: int, now: int, tag: int = 7) -> int:
    return sum(limit.take(tag, now) for _ in range(tries))


# --- how many ---


def test_all_may_come_at_once_and_then_evenly() -> None:
    limit = limit_of(requests=10, period=1.0)
    assert taken(limit, 100, START) == 10
    assert taken(limit, 100, START + SECOND // 10 - 1) == 0
    assert taken(limit, 100, START + SECOND // 10) == 1
    assert taken(limit, 100, START + SECOND * 60) == 10, "no more after a long pause"


@pytest.mark.parametrize(("burst", "at_once"), [(0, 60), (1, 1), (5, 5), (200, 200)])
def test_as_many_at_once_as_the_burst_says(burst: int, at_once: int) -> None:
    limit = limit_of(requests=60, period=60.0, burst=burst)
    assert taken(limit, 500, START) == at_once
    assert taken(limit, 500, START + SECOND) == 1


@given(
    requests=st.integers(1, 50),
    period=st.sampled_from([0.1, 1.0, 7.0, 60.0]),
    burst=st.integers(0, 60),
    gaps=st.lists(st.integers(0, 3 * SECOND), max_size=60),
)
def test_it_is_a_token_bucket(requests: int, period: float, burst: int, gaps: list[int]) -> None:
    limit = limit_of(requests=requests, period=period, burst=burst)
    interval = max(1, round(period * SECOND / requests))
    tokens, now = Fraction(limit.limit), START
    for gap in gaps:
        now += gap
        tokens = min(Fraction(limit.limit), tokens + Fraction(gap, interval))
        assert limit.look(7, now).remaining == int(tokens)
        assert limit.take(7, now) is (tokens >= 1)
        if tokens >= 1:
            tokens -= 1


# --- whose ---


def test_each_key_has_a_counter_of_its_own_and_each_route_too() -> None:
    limit = limit_of(requests=1, period=60.0)
    assert [taken(limit, 5, START, tag_of(route, key)) for route in (1, 2) for key in (b"a", b"b")]
    tags = {tag_of(route, key) for route in (1, 2, 300) for key in (b"", b"a", b"b" * 100_000)}
    assert len(tags) == 9
    assert all(0 < tag < 2**64 for tag in tags)


def test_workers_of_a_machine_take_from_the_same_counter() -> None:
    shared = words()
    policy = RateLimitPolicy(requests=10, period=60.0)
    one, other = RateLimit(1, policy, shared), RateLimit(1, policy, shared)
    assert taken(one, 6, START) + taken(other, 6, START) == 10


def test_more_keys_than_slots_are_forgotten_the_idlest_first() -> None:
    limit = limit_of(requests=2, period=60.0)
    same_place = [1 + number * (SLOTS // 4) for number in range(5)]
    busy, *others = same_place
    assert taken(limit, 2, START, busy) == 2
    for tag in others:
        taken(limit, 1, START, tag)
    assert not limit.take(busy, START), "whoever has taken most is remembered"


# --- over time ---


def test_a_counter_from_before_a_restart_of_the_machine_is_not_believed() -> None:
    limit = limit_of(requests=5, period=1.0)
    taken(limit, 5, START)
    assert taken(limit, 9, SECOND) == 5, "the clock has begun anew"


def test_what_others_have_taken_is_learned_and_never_unlearned() -> None:
    limit = limit_of(requests=10, period=10.0)
    limit.learn(7, 8 * SECOND, START)
    assert taken(limit, 9, START) == 2
    limit.learn(7, SECOND, START)
    assert taken(limit, 9, START) == 0


# --- what is told ---


def test_what_a_refused_client_is_told() -> None:
    limit = limit_of(requests=6, period=60.0, burst=2)
    taken(limit, 2, START)
    assert limit.look(7, START + 1) == Verdict(remaining=0, reset=20, wait=10)
    fields = fields_of(limit, limit.look(7, START + 1)).split("\r\n")
    assert fields == [
        "Retry-After: 10",
        "RateLimit-Limit: 2",
        "RateLimit-Remaining: 0",
        "RateLimit-Reset: 20",
        "",
    ]


@given(requests=st.integers(1, 1000), period=st.floats(0.1, 3600), early=st.integers(0, SECOND))
def test_who_comes_again_when_it_was_told_is_let_through(
    requests: int, period: float, early: int
) -> None:
    limit = limit_of(requests=requests, period=period)
    taken(limit, limit.limit, START)
    wait = limit.look(7, START + early).wait
    assert limit.take(7, START + early + max(1, wait) * SECOND)
