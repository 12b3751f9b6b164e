"""What becomes a row: whatever tells something, and one routine pass in a while."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pool.choices import HealthState, ProbeResult
from pool.health.probe import Outcome
from pool.history.sampling import Finding, Sampler

H, D, U = HealthState.HEALTHY, HealthState.DEGRADED, HealthState.UNHEALTHY
PASS, SLOW, FAIL = ProbeResult.PASS, ProbeResult.SLOW, ProbeResult.FAIL


def finding(at, before=H, after=H, result=PASS, latency=1.0, backend_id=1):
    outcome = Outcome(result=result, reason="", latency_ms=latency)
    return Finding(backend_id=backend_id, at=at, outcome=outcome, before=before, after=after)


def rows(sampler, *findings):
    return [kept for each in findings for kept in sampler.take(each)]


def test_of_routine_passes_one_in_a_while_is_kept():
    kept = rows(Sampler(60), *(finding(at) for at in range(0, 181, 5)))
    assert [row.finding.at for row in kept] == [0, 60, 120, 180]
    assert [row.omitted.count for row in kept] == [0, 11, 11, 11]


def test_every_probe_is_kept_when_that_is_asked_for():
    assert len(rows(Sampler(0), *(finding(at) for at in range(10)))) == 10


def test_a_failure_is_kept_and_counts_the_passes_before_it():
    *_, kept = rows(Sampler(60), finding(0), finding(5), finding(10), finding(15, result=FAIL))
    assert (kept.finding.at, kept.omitted.count) == (15, 2)


def test_what_is_on_the_way_up_is_kept():
    kept = rows(Sampler(60), finding(0, U, U), finding(2, U, U), finding(4, U, H))
    assert [row.finding.at for row in kept] == [0, 2, 4]


def test_a_degraded_backend_is_sampled_too():
    assert len(rows(Sampler(60), *(finding(at, D, D, SLOW) for at in range(60)))) == 1


def test_a_slow_pass_of_a_healthy_backend_is_kept():
    assert len(rows(Sampler(60), finding(0), finding(2, result=SLOW), finding(4))) == 2


def test_latencies_of_what_is_left_out_are_kept():
    kept = rows(Sampler(60), *(finding(at, latency=float(at)) for at in (0, 20, 40, 60)))
    assert kept[-1].omitted.latency_sum == 60
    assert kept[-1].omitted.latency_max == 40


def test_what_was_left_out_is_told_within_its_hour():
    kept = rows(Sampler(60), finding(3540), finding(3580), finding(3595), finding(3605))
    assert [(row.finding.at, row.omitted.count) for row in kept] == [(3540, 0), (3595, 1)]


def test_backends_do_not_mix():
    sampler = Sampler(60)
    kept = rows(sampler, finding(0), finding(1, backend_id=2), finding(5), finding(6, backend_id=2))
    assert [row.finding.backend_id for row in kept] == [1, 2]


def test_what_nothing_follows_is_released():
    sampler = Sampler(60)
    rows(sampler, finding(0), finding(5), finding(10))
    assert sampler.release(before=10) == []
    [late] = sampler.release(before=11)
    assert (late.finding.at, late.omitted.count) == (10, 1)
    assert sampler.release(before=11) == []


steps = st.lists(st.tuples(st.floats(0.1, 100), st.sampled_from([PASS, FAIL])), max_size=80)


@given(steps, st.sampled_from([0, 10, 60]))
def test_no_probe_is_lost_or_counted_twice(steps, seconds):
    sampler, at, findings = Sampler(seconds), 3000.0, []
    for step, result in steps:
        at += step
        findings.append(finding(at, result=result))
    kept = rows(sampler, *findings) + sampler.release(before=at + 1)
    assert sum(1 + row.omitted.count for row in kept) == len(findings)
    assert sum(row.finding.outcome.latency_ms + row.omitted.latency_sum for row in kept) == len(
        findings
    )
    assert all(before.finding.at < after.finding.at for before, after in pairwise(kept))
