"""The edge's core in simulated time: what goes in comes out, and it comes out as theory has it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pool.choices import algorithm_names
from pool.snapshot import BalancingPolicy, CircuitPolicy, HealthPolicy, PoolSpec, RetryPolicy
from proxy.core.balancing import UnknownAlgorithm
from proxy.simulation.fault import parse_fault
from proxy.simulation.outcome import Outcome
from proxy.simulation.scenario import ClosedLoop, OpenLoop, RecordedLoad, Scenario, tower
from proxy.simulation.simulator import simulate

ScenarioOf = Callable[..., Scenario]


def p99(outcome: Outcome) -> float:
    assert outcome.latency is not None
    return outcome.latency.p99


def p999(outcome: Outcome) -> float:
    assert outcome.latency is not None
    return outcome.latency.p999


# --- what is simulated ---


@pytest.mark.parametrize("algorithm", algorithm_names())
def test_every_request_ends_and_runs_are_repeatable(scenario: ScenarioOf, algorithm: str) -> None:
    plan = scenario("exponential:10ms", "uniform:50ms", workers=2)
    first = simulate(plan, algorithm, seed=7)
    assert first == simulate(plan, algorithm, seed=7)
    assert first.requests == 2000
    assert first.errors == {}
    assert sum(first.shares.values()) == pytest.approx(1)


def test_another_seed_is_another_run(scenario: ScenarioOf) -> None:
    plan = scenario("exponential:10ms", "uniform:50ms")
    assert simulate(plan, "round_robin", 1).latency != simulate(plan, "round_robin", 2).latency


def test_a_closed_loop_keeps_so_many_under_way(scenario: ScenarioOf) -> None:
    outcome = simulate(scenario("10ms", load=ClosedLoop(20), requests=1000), "round_robin")
    assert outcome.seconds == pytest.approx(1000 / 20 * 0.010)


def test_an_open_loop_comes_at_its_rate_and_queues_as_theory_says(scenario: ScenarioOf) -> None:
    # M/M/1 at half its capacity: as long in the queue, on average, as in service.
    plan = scenario("exponential:10ms", load=OpenLoop(50.0), requests=100_000, capacity={1: 1})
    outcome = simulate(plan, "round_robin", seed=1)
    assert outcome.seconds == pytest.approx(2000, rel=0.02)
    assert outcome.queue.mean == pytest.approx(10, rel=0.05)


def test_a_recorded_load_comes_when_it_came(scenario: ScenarioOf) -> None:
    load = RecordedLoad([0, 10**9, 5 * 10**9], [None, b"x", None])
    outcome = simulate(scenario("10ms", load=load, requests=3), "round_robin")
    assert outcome.seconds == pytest.approx(5.010)


def test_progress_is_told(scenario: ScenarioOf) -> None:
    heard: list[int] = []
    simulate(scenario("1ms", requests=25_000), "round_robin", progress=heard.append)
    assert heard == [10_000, 20_000]


def test_an_unknown_algorithm_is_refused(scenario: ScenarioOf) -> None:
    with pytest.raises(UnknownAlgorithm):
        simulate(scenario("1ms"), "astrology")


# --- the core's rules hold ---


def test_max_connections_hold_over_all_workers(
    scenario: ScenarioOf, pool_spec: Callable[..., PoolSpec]
) -> None:
    pool = pool_spec(1, max_connections=5)
    plan = scenario("10ms", pool=pool, workers=4, load=ClosedLoop(8), requests=500)
    outcome = simulate(plan, "round_robin")
    assert set(outcome.errors) == {"no_room"}
    allowed = replace(plan, load=ClosedLoop(5))
    assert simulate(allowed, "round_robin").errors == {}


def test_a_backend_that_dies_costs_retries_and_no_answers(
    scenario: ScenarioOf, pool_spec: Callable[..., PoolSpec]
) -> None:
    pool = pool_spec(2, retry=RetryPolicy(budget=100))
    plan = scenario("10ms", "10ms", pool=pool, faults={2: [parse_fault("200ms-600ms")]})
    outcome = simulate(plan, "round_robin")
    assert outcome.errors == {}
    assert outcome.retries > 10


def test_without_retries_the_same_is_errors(
    scenario: ScenarioOf, pool_spec: Callable[..., PoolSpec]
) -> None:
    pool = pool_spec(2, retry=RetryPolicy(attempts=1))
    plan = scenario("10ms", "10ms", pool=pool, faults={2: [parse_fault("200ms-600ms")]})
    outcome = simulate(plan, "round_robin")
    assert outcome.retries == 0
    assert set(outcome.errors) == {"connect_failed", "backend_reset"}


def test_probes_take_a_dead_backend_out_and_bring_it_back(
    scenario: ScenarioOf, pool_spec: Callable[..., PoolSpec]
) -> None:
    fault = parse_fault("1s-5s")
    fields: dict[str, Any] = {"load": OpenLoop(100.0), "requests": 1000}
    unprobed = simulate(scenario("1ms", "1ms", faults={2: [fault]}, **fields), "round_robin")
    pool = pool_spec(2, health=HealthPolicy(interval=0.1, fall=2, rise=1))
    probed = simulate(
        scenario("1ms", "1ms", pool=pool, faults={2: [fault]}, **fields), "round_robin"
    )
    # Each second one of those that come meanwhile.
    assert unprobed.retries == pytest.approx(200, rel=0.1)
    assert 0 < probed.retries < 40
    assert probed.shares["b"] == pytest.approx(0.3, abs=0.05)


def test_who_comes_back_starts_slowly_if_the_pool_says_so(
    scenario: ScenarioOf, pool_spec: Callable[..., PoolSpec]
) -> None:
    health = HealthPolicy(interval=0.1, fall=1, rise=1)
    plan = scenario(
        *["1ms"] * 2,
        pool=pool_spec(2, health=health),
        faults={2: [parse_fault("0s-1s")]},
        load=OpenLoop(100.0),
        requests=1000,
    )
    slowly = replace(
        plan, pool=pool_spec(2, health=health, balancing=BalancingPolicy(slow_start=8.0))
    )
    at_once = simulate(plan, "weighted_round_robin", 1).shares["b"]
    grown = simulate(slowly, "weighted_round_robin", 1).shares["b"]
    assert 0.5 * at_once < grown < 0.8 * at_once


@pytest.mark.parametrize("workers", [1, 4])
def test_a_circuit_leaves_a_failing_backend_alone_and_lets_it_come_back(
    scenario: ScenarioOf, pool_spec: Callable[..., PoolSpec], workers: int
) -> None:
    fields: dict[str, Any] = {
        "faults": {2: [parse_fault("1s-3s:errors")]},
        "load": OpenLoop(100.0),
        "requests": 1000,
        "workers": workers,
    }
    guarded = pool_spec(2, circuit=CircuitPolicy(threshold=5, open_time=1.0))
    plain = simulate(scenario("1ms", "1ms", **fields), "round_robin", 1)
    spared = simulate(scenario("1ms", "1ms", pool=guarded, **fields), "round_robin", 1)
    assert plain.errors["status_500"] == pytest.approx(100, rel=0.25)
    assert 5 <= spared.errors["status_500"] < 40
    assert 0.25 < spared.shares["b"] < 0.45


def test_a_backend_that_fails_fast_does_not_pass_for_a_fast_one(scenario: ScenarioOf) -> None:
    plan = scenario("20ms", "20ms", "20ms", faults={3: [parse_fault("0s-:errors")]})
    assert simulate(plan, "least_response_time", 1).shares["c"] < 0.4


# --- what algorithms are for ---


def test_the_tower_experiment() -> None:
    """tower-rs, pull request 76: 72 s, 18 s and 15 s in all; p99 906, 98 and 96 ms."""
    plan = tower()
    turns = simulate(plan, "round_robin", 1)
    loads = simulate(plan, "power_of_two", 1)
    peaks = simulate(plan, "peak_ewma", 1)
    assert turns.seconds == pytest.approx(72, rel=0.1)
    assert loads.seconds == pytest.approx(18, rel=0.1)
    assert peaks.seconds == pytest.approx(15, rel=0.1)
    assert p99(turns) == pytest.approx(906, rel=0.05)
    assert p99(loads) == pytest.approx(98, rel=0.05)
    assert p99(peaks) == pytest.approx(96, rel=0.05)
    assert p999(turns) == pytest.approx(988, rel=0.05)
    assert p999(loads) == pytest.approx(857, rel=0.15)
    assert p999(peaks) == pytest.approx(105, rel=0.15)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_slow_backend_of_four_is_felt_only_in_turns(
    scenario: ScenarioOf, workers: int, seed: int
) -> None:
    healthy = "lognormal:10ms:0.3"
    usual = scenario(*[healthy] * 3, "lognormal:100ms:0.3", requests=20_000, workers=workers)
    unharmed = p99(simulate(scenario(*[healthy] * 4, requests=20_000), "round_robin", seed))
    assert p99(simulate(usual, "round_robin", seed)) > 5 * unharmed
    for algorithm in ("peak_ewma", "least_response_time"):
        assert p99(simulate(usual, algorithm, seed)) < 1.5 * unharmed
