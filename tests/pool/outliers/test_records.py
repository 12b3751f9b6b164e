"""How long an ejection lasts, and how many of a pool may be out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.outliers.records import Ejections, eject, end, most_ejected, read_ejections, tidy
from pool.outliers.script import encode
from pool.snapshot import BackendSpec, OutlierPolicy, PoolSpec

START = 1_700_000_000.0


def pool_of(size: int, **policy: object) -> PoolSpec:
    backends = tuple(BackendSpec(id=n, name=f"b{n}", url="http://h") for n in range(1, size + 1))
    outlier = OutlierPolicy(**{"enabled": True, "max_ejected": 100, **policy})
    return PoolSpec(id=1, name="shop", backends=backends, outlier=outlier)


class Story:
    """Backend 1 is ejected and comes back, at seconds after the start."""

    def __init__(self, pool: PoolSpec) -> None:
        self.pool = pool
        self.state = Ejections()

    def eject(self, second: float, backend_id: int = 1) -> bool:
        after = eject(self.state, self.pool, backend_id, "bad", START + second)
        self.state = after or self.state
        return after is not None

    def lasts(self, second: float) -> float:
        assert self.eject(second)
        ejection = self.state.by_id[1]
        after = end(self.state, 1, ejection.until)
        assert after is not None
        self.state = after
        return ejection.until - ejection.since

    def out(self, second: float) -> set[int]:
        return set(self.state.out(START + second))


def test_it_is_out_until_its_time_is_over_and_not_a_moment_longer() -> None:
    story = Story(pool_of(5, base_time=10.0))
    story.eject(10.0)
    assert story.out(19.999) == {1}
    assert story.out(20.0) == set()


def test_half_a_minute_is_the_default() -> None:
    story = Story(pool_of(5))
    story.eject(10.0)
    assert (story.out(39.999), story.out(40.0)) == ({1}, set())


def test_it_grows_with_each_time_in_a_row_and_falls_with_each_interval_in_service() -> None:
    story = Story(pool_of(5, base_time=10.0, interval=10.0))
    assert story.lasts(0) == 10
    assert story.lasts(10) == 20
    assert story.lasts(30) == 30  # until 60
    assert story.lasts(79.9) == 30  # one interval in service: 2, and one more; until 109.9
    assert story.lasts(130) == 20  # two: 1, and one more; until 150
    assert story.lasts(1000) == 10


def test_it_grows_up_to_the_most_and_falls_from_there() -> None:
    story = Story(pool_of(5))
    second, lasted = 0.0, []
    for _ in range(14):
        lasted.append(story.lasts(second))
        second += lasted[-1]
    assert lasted == [30.0 * n for n in range(1, 11)] + [300.0] * 4
    # Envoy counts to one more than lasts longer, and no further.
    assert story.lasts(second + 10 * 10) == 60


def test_the_base_time_holds_even_above_the_most() -> None:
    assert Story(pool_of(5, base_time=600.0, max_time=300.0)).lasts(0) == 600


@pytest.mark.parametrize(
    ("percent", "size", "most"),
    [
        *[(10, 3, 0), (10, 9, 0), (10, 10, 1), (10, 19, 1), (10, 20, 2)],
        *[(34, 3, 1), (33, 3, 0), (100, 3, 3), (0, 100, 0), (50, 1, 0)],
    ],
)
def test_no_more_than_the_share_rounded_down(percent: int, size: int, most: int) -> None:
    pool = pool_of(size, max_ejected=percent)
    assert most_ejected(pool.outlier, size) == most
    story = Story(pool)
    assert sum(story.eject(n, n) for n in range(1, size + 1)) == most


def test_who_is_back_makes_room() -> None:
    story = Story(pool_of(3, max_ejected=34, base_time=10.0))
    assert story.eject(0, 1)
    assert not story.eject(9.9, 2)
    assert story.eject(10, 2)


def test_who_has_left_the_pool_makes_room_and_is_forgotten() -> None:
    story = Story(pool_of(3, max_ejected=50))
    story.eject(0, 3)
    story.pool = pool_of(2, max_ejected=50)
    assert story.eject(1, 2)
    assert set(tidy(story.state, story.pool, START + 1).by_id) == {2}


def test_who_is_out_is_not_ejected_again() -> None:
    story = Story(pool_of(3))
    assert story.eject(0)
    assert not story.eject(1)


def test_an_end_is_told_once() -> None:
    story = Story(pool_of(3))
    story.eject(0)
    after = end(story.state, 1, START + 5)
    assert after is not None
    assert end(after, 1, START + 6) is None
    assert end(Ejections(), 1, START) is None


def test_it_is_remembered_for_as_long_as_it_makes_the_next_one_longer() -> None:
    story = Story(pool_of(3, base_time=10.0, interval=10.0))
    story.lasts(0)
    assert tidy(story.state, story.pool, START + 19.9).by_id
    assert not tidy(story.state, story.pool, START + 20).by_id


@pytest.mark.parametrize("record", [None, b"", b"{", b'{"by_id": 3}'])
def test_a_record_that_cannot_be_read_ejects_nobody(record: bytes | None) -> None:
    assert read_ejections(record) == Ejections()


@given(
    percent=st.integers(0, 100),
    size=st.integers(1, 12),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.integers(0, 40)), max_size=40),
)
def test_whatever_happens_no_more_are_out_and_the_record_stays_the_same_when_read(
    percent: int, size: int, steps: list[tuple[bool, int, int]]
) -> None:
    pool = pool_of(size, max_ejected=percent)
    state, now = Ejections(), START
    for bad, number, pause in steps:
        now += pause
        backend = 1 + number % size
        step = eject(state, pool, backend, "bad", now) if bad else end(state, backend, now)
        state = tidy(step or state, pool, now)
        assert len(state.out(now)) <= percent * size / 100
        assert all(one.until - one.since <= 300 for one in state.by_id.values())
        assert encode(read_ejections(encode(state))) == encode(state)
