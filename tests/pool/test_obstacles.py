"""There are words for all that is told of a backend."""

from pool.choices import AdminState, HealthState
from pool.obstacles import HEADLINES, PAST, Obstacle, Remark, short


def test_whatever_a_backend_can_be_called_has_a_headline() -> None:
    of_one_request = {Obstacle.TRIED, Obstacle.FULL}
    never_all_there_is = {Remark.NOT_PROBED, Remark.FLAPS}
    named = {*Obstacle, *Remark, *HealthState} - of_one_request - never_all_there_is
    assert named <= HEADLINES.keys()


def test_what_an_operator_orders_has_the_name_of_the_order() -> None:
    orders = set(AdminState) - {AdminState.ACTIVE}
    assert {Obstacle(order.value) for order in orders} == {
        Obstacle.DRAINING,
        Obstacle.MAINTENANCE,
    }


def test_the_operators_own_doing_is_told_first() -> None:
    assert list(PAST)[:2] == [Obstacle.MAINTENANCE, Obstacle.DRAINING]


def test_badges_say_codes_in_words() -> None:
    assert short(Obstacle.CIRCUIT_TRIED) == "circuit half open"
