"""Rise and fall: what turns single probes into a verdict."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.choices import HealthState, ProbeResult
from pool.health.hysteresis import Standing, advance, in_transition
from pool.snapshot import HealthPolicy

PASS, SLOW, FAIL = ProbeResult.PASS, ProbeResult.SLOW, ProbeResult.FAIL
UNKNOWN, UNHEALTHY = HealthState.UNKNOWN, HealthState.UNHEALTHY
HEALTHY, DEGRADED = HealthState.HEALTHY, HealthState.DEGRADED

policies = st.builds(HealthPolicy, rise=st.integers(1, 6), fall=st.integers(1, 6))
results = st.lists(st.sampled_from([PASS, FAIL]), max_size=40)


def _run(sequence, policy, standing=None):
    """The standings after each result; the n-th came in at n."""
    standing = standing or Standing()
    history = []
    for now, result in enumerate(sequence, start=1):
        standing = advance(standing, result, f"{result} {now}", policy, float(now))
        history.append(standing)
    return history


@pytest.mark.parametrize(
    ("state", "streak_before", "result", "expected"),
    [
        (UNKNOWN, 0, PASS, HEALTHY),
        (UNKNOWN, 0, FAIL, UNKNOWN),
        (UNKNOWN, 1, FAIL, UNKNOWN),
        (UNKNOWN, 2, FAIL, UNHEALTHY),
        (HEALTHY, 0, PASS, HEALTHY),
        (HEALTHY, 0, FAIL, HEALTHY),
        (HEALTHY, 1, FAIL, HEALTHY),
        (HEALTHY, 2, FAIL, UNHEALTHY),
        (HEALTHY, 9, FAIL, UNHEALTHY),
        (UNHEALTHY, 0, FAIL, UNHEALTHY),
        (UNHEALTHY, 0, PASS, UNHEALTHY),
        (UNHEALTHY, 1, PASS, HEALTHY),
        (UNHEALTHY, 9, PASS, HEALTHY),
    ],
)
def test_table_with_rise_2_and_fall_3(state, streak_before, result, expected):
    before = Standing(
        state=state,
        last=result if streak_before else None,
        streak=streak_before,
        passes=streak_before if result is PASS else 0,
    )
    assert advance(before, result, "", HealthPolicy(rise=2, fall=3), 1.0).state is expected


def test_every_sequence_of_eight_results_agrees_with_a_plain_reading_of_the_rules():
    policy = HealthPolicy(rise=2, fall=3)
    for sequence in itertools.product([PASS, FAIL], repeat=8):
        state = UNKNOWN
        for position, after in enumerate(_run(sequence, policy), start=1):
            state = _plain_rules(state, sequence[:position], policy)
            assert after.state is state, sequence


def _plain_rules(state, seen, policy):
    if seen[-policy.fall :] == (FAIL,) * policy.fall:
        return UNHEALTHY
    if state is UNKNOWN and seen[-1] is PASS:
        return HEALTHY
    if state is UNHEALTHY and seen[-policy.rise :] == (PASS,) * policy.rise:
        return HEALTHY
    return state


def test_the_first_pass_is_enough():
    assert _run([PASS], HealthPolicy(rise=5))[-1].state is HEALTHY


def test_a_pass_between_first_failures_makes_it_healthy():
    states = [after.state for after in _run([FAIL, FAIL, PASS, FAIL], HealthPolicy(fall=3))]
    assert states == [UNKNOWN, UNKNOWN, HEALTHY, HEALTHY]


@given(results, policies)
def test_one_blip_never_ejects(sequence, policy):
    if policy.fall == 1:
        return
    before = _run([*sequence, PASS], policy)[-1]
    after = advance(before, FAIL, "", policy, 99.0)
    assert after.state is before.state


@given(results, policies)
def test_one_lucky_answer_never_brings_back(sequence, policy):
    before = _run([*sequence, *[FAIL] * policy.fall], policy)[-1]
    after = advance(before, PASS, "", policy, 99.0)
    assert (after.state is HEALTHY) == (policy.rise == 1)


@given(results, policies)
def test_fall_failures_always_eject_and_rise_passes_always_bring_back(sequence, policy):
    down = _run([*sequence, *[FAIL] * policy.fall], policy)[-1]
    assert down.state is UNHEALTHY
    assert _run([PASS] * policy.rise, policy, down)[-1].state is HEALTHY


@given(results, policies)
def test_since_moves_exactly_when_the_state_does(sequence, policy):
    before = Standing()
    for now, after in enumerate(_run(sequence, policy), start=1):
        expected = before.since if after.state is before.state else float(now)
        assert after.since == expected
        before = after


@given(results, policies)
def test_streak_counts_the_equal_results_at_the_end(sequence, policy):
    history = _run(sequence, policy)
    if history:
        trailing = len(list(itertools.takewhile(lambda r: r is sequence[-1], sequence[::-1])))
        assert (history[-1].last, history[-1].streak) == (sequence[-1], trailing)


@given(results, policies)
def test_it_never_returns_to_unknown(sequence, policy):
    states = [after.state for after in _run(sequence, policy)]
    known = list(itertools.dropwhile(lambda state: state is UNKNOWN, states))
    assert UNKNOWN not in known


@given(st.integers(1, 5), st.integers(1, 5))
def test_alternating_results_never_eject_a_healthy_backend(rise, repeats):
    history = _run([PASS, FAIL] * repeats, HealthPolicy(rise=rise, fall=2))
    assert {after.state for after in history} == {HEALTHY}


def test_a_lower_threshold_counts_the_run_that_is_under_way():
    healthy = Standing(state=HEALTHY, last=FAIL, streak=2)
    assert advance(healthy, FAIL, "", HealthPolicy(fall=2), 1.0).state is UNHEALTHY


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        ([FAIL], "fail 1"),
        ([PASS], "pass 1"),
        ([PASS, FAIL, FAIL], "pass 1"),
        ([PASS, FAIL, FAIL, FAIL], "fail 4"),
        ([PASS, FAIL, FAIL, FAIL, FAIL], "fail 5"),
        ([FAIL, FAIL, FAIL, PASS], "fail 3"),
        ([FAIL, FAIL, FAIL, PASS, PASS], "pass 5"),
    ],
)
def test_reason_is_the_newest_one_that_explains_the_state(sequence, reason):
    assert _run(sequence, HealthPolicy(rise=2, fall=3))[-1].reason == reason


# --- slow passes ---


@pytest.mark.parametrize(
    ("sequence", "state"),
    [
        ([SLOW], DEGRADED),
        ([PASS, SLOW, SLOW], HEALTHY),
        ([PASS, SLOW, SLOW, SLOW], DEGRADED),
        ([PASS, SLOW, SLOW, PASS, SLOW, SLOW], HEALTHY),
        ([SLOW, PASS], DEGRADED),
        ([SLOW, PASS, PASS], HEALTHY),
        ([SLOW, FAIL, FAIL], DEGRADED),
        ([SLOW, FAIL, FAIL, FAIL], UNHEALTHY),
        ([PASS, FAIL, FAIL, SLOW, FAIL, FAIL], HEALTHY),
        ([FAIL, FAIL, FAIL, SLOW], UNHEALTHY),
        ([FAIL, FAIL, FAIL, SLOW, SLOW], DEGRADED),
        ([FAIL, FAIL, FAIL, PASS, SLOW], DEGRADED),
        ([FAIL, FAIL, FAIL, SLOW, PASS], HEALTHY),
    ],
)
def test_slow_passes_degrade_and_never_eject(sequence, state):
    assert _run(sequence, HealthPolicy(rise=2, fall=3))[-1].state is state


@given(st.lists(st.sampled_from([PASS, SLOW]), min_size=1), policies)
def test_whoever_answers_is_never_unhealthy(sequence, policy):
    assert UNHEALTHY not in {after.state for after in _run(sequence, policy)}


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ([], False),
        ([PASS], False),
        ([FAIL], True),
        ([PASS, FAIL], True),
        ([PASS, SLOW], True),
        ([PASS, FAIL, FAIL, FAIL], False),
        ([PASS, FAIL, FAIL, FAIL, PASS], True),
        ([PASS, FAIL, FAIL, FAIL, PASS, PASS], False),
        ([SLOW], False),
        ([SLOW, PASS], True),
    ],
)
def test_a_verdict_is_on_the_way_while_the_last_result_speaks_against_the_state(sequence, expected):
    history = _run(sequence, HealthPolicy(rise=2, fall=3))
    assert in_transition(history[-1] if history else Standing()) is expected
