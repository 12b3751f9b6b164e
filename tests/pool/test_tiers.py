"""Who serves: stand-ins, tiers, spill-over and panic, as numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.choices import AdminState, TierMode
from pool.snapshot import BackendSpec, TierPolicy
from pool.tiers import Place, places_of, serving, share_out, well_enough

SPILL_OVER = TierPolicy(mode=TierMode.SPILL_OVER)
STRICT = TierPolicy()


def tier(number: int, healthy: int, total: int = 100) -> list[Place]:
    return [Place(number, 1, number * 1000 + n, n < healthy) for n in range(total)]


def traffic(places: list[Place], policy: TierPolicy, floor: int = 0) -> dict[int, int]:
    shares = share_out(places, policy, floor)
    return {share.tier: share.percent for share in sorted(shares) if share.percent}


def in_panic(places: list[Place], policy: TierPolicy, floor: int = 0) -> set[int]:
    return {share.tier for share in share_out(places, policy, floor) if share.panic}


# --- tiers ---


@pytest.mark.parametrize(
    ("first", "second", "loads", "panic"),
    [
        (100, 100, {0: 100}, set()),
        (72, 100, {0: 100}, set()),
        (71, 100, {0: 99, 1: 1}, set()),
        (50, 100, {0: 70, 1: 30}, set()),
        (25, 25, {0: 50, 1: 50}, {0, 1}),
        (5, 65, {0: 7, 1: 93}, {0}),
        (0, 100, {1: 100}, set()),
    ],
)
def test_spill_over_is_envoys(
    first: int, second: int, loads: dict[int, int], panic: set[int]
) -> None:
    places = tier(0, first) + tier(1, second)
    assert traffic(places, SPILL_OVER) == loads
    assert in_panic(places, SPILL_OVER) == panic


def test_spill_over_goes_on_to_the_third_tier_and_over_gaps() -> None:
    assert traffic(tier(0, 20) + tier(4, 30) + tier(9, 100), SPILL_OVER) == {0: 28, 4: 42, 9: 30}


@pytest.mark.parametrize("healthy", [1, 50, 100])
def test_strict_gives_all_to_the_first_tier_with_anybody_well(healthy: int) -> None:
    assert traffic(tier(0, healthy) + tier(1, 100), STRICT) == {0: 100}
    assert traffic(tier(0, 0) + tier(1, healthy), STRICT) == {1: 100}


def test_strict_knows_no_panic_while_a_backup_is_whole() -> None:
    (first, _) = share_out(tier(0, 1) + tier(1, 100), STRICT)
    assert (first.panic, len(first.places)) == (False, 1)


def test_one_of_very_many_counts() -> None:
    assert traffic(tier(0, 1, 1000), SPILL_OVER) == {0: 100}


# --- panic ---


@pytest.mark.parametrize(("healthy", "panic"), [(1, True), (2, False), (3, False)])
def test_with_three_backends_panic_is_when_fewer_than_two_are_healthy(
    healthy: int, panic: bool
) -> None:
    (share,) = share_out(tier(0, healthy, 3), STRICT)
    assert (share.panic, len(share.places)) == (panic, 3 if panic else healthy)
    assert well_enough(3, STRICT) == (3, 2)


def test_a_threshold_of_0_is_no_panic_and_nobody_serves_when_nobody_is_well() -> None:
    calm = TierPolicy(mode=TierMode.SPILL_OVER, panic_threshold=0)
    assert in_panic(tier(0, 1), calm) == set()
    (share,) = share_out(tier(0, 0), calm)
    assert (share.percent, share.places) == (0, ())


def test_with_nobody_well_anywhere_all_are_used() -> None:
    places = tier(0, 0, 3) + tier(1, 0, 1)
    assert traffic(places, SPILL_OVER) == {0: 75, 1: 25}
    assert traffic(places, STRICT) == {0: 100}
    assert serving(share_out(places, STRICT)) == ()


# --- the floor ---


def test_tiers_below_the_floor_rest_while_one_above_can_serve() -> None:
    places = tier(0, 100) + tier(1, 1) + tier(2, 100)
    for policy in (STRICT, SPILL_OVER):
        assert 0 not in traffic(places, policy, floor=1)
        assert [share.tier for share in share_out(places, policy, floor=1)] == [1, 2, 0]
    assert traffic(places, STRICT, floor=1) == {1: 100}


def test_a_floor_with_nobody_well_above_is_no_floor() -> None:
    assert traffic(tier(0, 100) + tier(1, 0), STRICT, floor=1) == {0: 100}
    assert traffic(tier(0, 100), STRICT, floor=5) == {0: 100}


def test_nobody_panics_above_a_floor_while_the_tier_below_is_whole() -> None:
    assert in_panic(tier(0, 100) + tier(1, 1), STRICT, floor=1) == set()


# --- places and stand-ins ---


def spec(number: int, **fields: object) -> BackendSpec:
    return BackendSpec(**{"id": number, "name": f"b{number}", "url": "http://h"} | fields)


def holders(specs: list[BackendSpec], out: set[int]) -> dict[int, bool]:
    return {place.holder: place.well for place in places_of(specs, out)}


STAND_IN = spec(9, backup_of=1, weight=7, tier=3)


def test_a_stand_in_gets_nothing_while_its_backend_is_in() -> None:
    assert holders([spec(1), spec(2), STAND_IN], set()) == {1: True, 2: True}
    assert holders([spec(1), spec(2), STAND_IN], {2}) == {1: True, 2: False}


@pytest.mark.parametrize("state", [AdminState.DRAINING, AdminState.MAINTENANCE])
def test_a_stand_in_has_the_weight_and_the_tier_of_its_backend(state: AdminState) -> None:
    for primary, out in (
        (spec(1, weight=5, tier=1), {1}),
        (spec(1, weight=5, tier=1, admin_state=state), set()),
    ):
        assert places_of([primary, STAND_IN], out) == [Place(1, 5, 9, True)]


def test_with_both_out_the_share_spreads() -> None:
    assert holders([spec(1), spec(2), STAND_IN], {1, 9}) == {1: False, 2: True}


def test_the_first_stand_in_that_is_well_steps_in() -> None:
    other = spec(10, backup_of=1)
    assert holders([spec(1), STAND_IN, other], {1}) == {9: True}
    assert holders([spec(1), STAND_IN, other], {1, 9}) == {10: True}


@pytest.mark.parametrize("fields", [{"admin_state": AdminState.DRAINING}, {"weight": 0}])
def test_what_the_operator_took_out_does_not_count(fields: dict[str, object]) -> None:
    assert holders([spec(1, **fields), spec(2)], {1}) == {2: True}


def test_nobody_stands_in_for_a_weight_of_0() -> None:
    assert holders([spec(1, weight=0), STAND_IN], {1}) == {}


# --- laws ---


@st.composite
def pools(draw: st.DrawFn) -> list[Place]:
    sizes = draw(st.dictionaries(st.integers(0, 9), st.integers(1, 30), min_size=1))
    return [
        place
        for number, size in sizes.items()
        for place in tier(number, draw(st.integers(0, size)), size)
    ]


policies = st.builds(
    TierPolicy,
    mode=st.sampled_from(TierMode),
    overprovisioning=st.integers(100, 1000),
    panic_threshold=st.integers(0, 100),
)


@given(places=pools(), policy=policies, floor=st.integers(0, 9))
def test_all_of_the_traffic_goes_to_those_that_take_part(
    places: list[Place], policy: TierPolicy, floor: int
) -> None:
    shares = share_out(places, policy, floor)
    somebody = any(place.well for place in places) or policy.panic_threshold > 0
    assert sum(share.percent for share in shares) == (100 if somebody else 0)
    assert all(share.places for share in shares if share.percent)
    assert sorted(share.tier for share in shares) == sorted({place.tier for place in places})
    for share in shares:
        assert {place for place in share.places if not place.well} == (
            {place for place in places if place.tier == share.tier and not place.well}
            if share.panic
            else set()
        )


@given(places=pools(), policy=policies)
def test_one_more_that_is_well_never_takes_traffic_from_its_tier(
    places: list[Place], policy: TierPolicy
) -> None:
    ill = next((place for place in places if not place.well), None)
    if ill is None or not any(place.well for place in places):
        return
    better = [place._replace(well=True) if place is ill else place for place in places]
    before, after = traffic(places, policy), traffic(better, policy)
    assert after.get(ill.tier, 0) >= before.get(ill.tier, 0) - 1  # rounding
