"""Settings that mean something else than they seem to are explained."""

from typing import Any

import pytest

from pool.choices import CircuitMode
from pool.circuits.advice import advise
from pool.snapshot import BackendSpec, CircuitPolicy, PoolSpec

RATIO = {"mode": CircuitMode.FAILURE_RATIO, "minimum_calls": 100, "window": 10.0}


ALL_OPEN = "may be open at once: requests are answered with 503 then."
NEVER = "A backend that gets fewer than 100 in 10 s (circuit_minimum_calls), 10 a second, is"


@pytest.mark.parametrize(
    ("size", "policy", "said"),
    [
        (4, {}, []),
        (0, {}, []),
        (3, {"max_open": 10}, ["10 % of 3 backends is less than one: one circuit may be open."]),
        (1, {"max_open": 10}, [f"The only backend's circuit {ALL_OPEN}"]),
        (3, {"max_open": 67}, [f"The circuits of all 3 backends {ALL_OPEN}"]),
        (3, {"max_open": 0}, ["circuit_max_open is 0: no circuit ever opens, whatever fails."]),
        (3, {"max_open": 0, "mode": CircuitMode.OFF}, []),
        (4, RATIO, [f"{NEVER} never judged."]),
    ],
)
def test_advice(size: int, policy: dict[str, Any], said: list[str]) -> None:
    backends = tuple(
        BackendSpec(id=number, name=f"b{number}", url=f"http://h{number}") for number in range(size)
    )
    pool = PoolSpec(id=1, name="shop", circuit=CircuitPolicy(**policy), backends=backends)
    assert advise(pool) == said
