"""Every installed algorithm keeps the promises that are asked of a third party's."""

import pytest

from pool.choices import algorithm_names
from proxy.core.balancing import balancer_class
from proxy.testing import check_balancer

_MEANS_OTHERWISE = {
    "first_available": {"spreads": False},
    "round_robin": {"weighted": False},
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", algorithm_names())
def test_an_installed_algorithm_keeps_its_promises(name: str, seed: int) -> None:
    check_balancer(balancer_class(name), seed=seed, **_MEANS_OTHERWISE.get(name, {}))
