"""What the settings come to in a pool, where that may surprise."""

import pytest

from pool.outliers.advice import advise
from pool.snapshot import BackendSpec, HealthPolicy, OutlierPolicy, PoolSpec


def said(size: int, *, probed: bool = False, **policy: object) -> list[str]:
    backends = tuple(BackendSpec(id=n, name=f"b{n}", url="http://h") for n in range(1, size + 1))
    outlier = OutlierPolicy(**{"enabled": True, **policy})
    health = HealthPolicy(enabled=probed)
    return advise(PoolSpec(id=1, name="s", backends=backends, outlier=outlier, health=health))


def test_a_share_that_is_less_than_one_backend_ejects_nobody() -> None:
    assert said(3)[0] == (
        "10 % of 3 backends is less than one: nobody is ever ejected. "
        "It takes outlier_max_ejected of at least 34."
    )
    assert said(10) == []


def test_that_all_may_be_out_is_said() -> None:
    assert said(5, max_ejected=100) == ["100 % of 5 backends: all of them may be ejected at once."]


def test_that_rates_are_never_compared_is_said() -> None:
    assert said(3, max_ejected=50) == [
        "Success rates are compared from 5 backends on (outlier_success_hosts), and the pool has 3."
    ]
    assert said(3, max_ejected=50, success_deviations=0.0) == []


def test_that_probes_end_ejections_is_said() -> None:
    assert said(10, probed=True) == [
        "A probe that passes ends an ejection: they are sent every 2 s."
    ]
    assert said(10, probed=True, probes_return=False) == []


@pytest.mark.parametrize("size", [0, 3])
def test_what_is_off_needs_no_advice(size: int) -> None:
    assert said(size, enabled=False) == []
