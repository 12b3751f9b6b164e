"""All circuits are read in steps, between which a worker hears of some of them."""

import logging

import msgspec
import pytest

from pool.choices import CircuitState
from pool.circuits.records import Circuit, CircuitChange
from pool.snapshot import BackendSpec, PoolSpec
from proxy.core.balancing import balancer_class
from proxy.core.pool import Pool
from proxy.core.steps import at_once
from proxy.core.succession import build_pool
from proxy.stores.agreement import Agreement

NOW = 1_700_000_000.0
COUNT = 200
READ = Circuit(generation=2, since=NOW)
HEARD = Circuit(state=CircuitState.OPEN, generation=3, since=NOW, until=NOW + 30, wait=30)


def started() -> tuple[Agreement, Pool]:
    """A worker that has read nothing yet, and its pool."""
    agreement = Agreement(lambda: None, lambda: NOW, logging.getLogger("test"))
    backends = tuple(
        BackendSpec(id=number, name=f"b{number}", url="http://a") for number in range(COUNT)
    )
    spec = PoolSpec(id=1, name="shop", backends=backends)
    pool = build_pool(spec, balancer_class("round_robin"), None, offset=0)
    agreement.configure([pool])
    return agreement, pool


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("heard_at", [0, 1, 2])
def test_what_is_heard_meanwhile_holds(heard_at: int, known: bool) -> None:
    """`known`: whether what is read of it is anything at all."""
    agreement, pool = started()
    record = msgspec.json.encode(READ)
    records = {str(number).encode(): record for number in range(COUNT) if number or known}
    reading = agreement.take_all(records)
    for step, _ in enumerate(reading):
        if step == heard_at:
            for number in (0, COUNT - 1):
                change = CircuitChange(backend_id=number, circuit=HEARD)
                agreement.hear(msgspec.json.encode(change))
    circuits = [backend.breaker.circuit for backend in pool.backends.values() if backend.breaker]
    assert circuits == [HEARD, *[READ] * (COUNT - 2), HEARD]
    assert agreement.steps(NOW) == []  # nothing that is read seems to have been lost


def test_a_worker_that_starts_logs_the_circuits_that_are_not_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    agreement, _ = started()
    circuits = {0: HEARD, 1: READ}
    at_once(
        agreement.take_all({b"%d" % key: msgspec.json.encode(one) for key, one in circuits.items()})
    )
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        "circuit of backend shop/b0: open"
    ]
    closed = CircuitChange(backend_id=0, circuit=msgspec.structs.replace(READ, generation=4))
    agreement.hear(msgspec.json.encode(closed))
    assert caplog.records[-1].getMessage().startswith("circuit of backend shop/b0: closed")
