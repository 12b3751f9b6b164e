"""Who is suspected: failures in a row, and success rates far below the others'."""

import pytest

from pool.snapshot import OutlierPolicy
from proxy.core.outlier import Monitor, far_below

POLICY = OutlierPolicy(enabled=True, consecutive_5xx=5, consecutive_gateway=3)


class Watched:
    """A monitor, and what it has come to suspect."""

    def __init__(self, policy: OutlierPolicy = POLICY) -> None:
        self.causes: list[str] = []
        self.monitor = Monitor(policy, self.causes.append)

    def answer(self, *statuses: int) -> "Watched":
        for status in statuses:
            if status < 500:
                self.monitor.successes += 1
            else:
                self.monitor.failed(status)
        return self


@pytest.mark.parametrize(
    ("statuses", "causes"),
    [
        ([500] * 4, []),
        ([500] * 5, ["5 failures in a row"]),
        ([503] * 2, []),
        ([503] * 3, ["3 gateway failures in a row"]),
        ([502, 503, 504], ["3 gateway failures in a row"]),
        ([503, 503, 500, 503, 503], ["5 failures in a row"]),
        ([500, 500, 500, 500, 200, 500], []),
        ([503, 503, 404, 503, 503], []),
        ([500] * 9, ["5 failures in a row"]),
        ([500] * 10, ["5 failures in a row"] * 2),
    ],
)
def test_failures_in_a_row(statuses: list[int], causes: list[str]) -> None:
    assert Watched().answer(*statuses).causes == causes


def test_a_threshold_of_0_is_never_reached() -> None:
    policy = OutlierPolicy(enabled=True, consecutive_5xx=0, consecutive_gateway=0)
    assert Watched(policy).answer(*[503] * 100).causes == []


def test_a_row_that_was_cleared_begins_anew() -> None:
    watched = Watched().answer(*[500] * 4)
    watched.monitor.clear()
    assert watched.answer(*[500] * 4).causes == []


def test_an_interval_counts_what_came_since_the_last_one() -> None:
    watched = Watched().answer(200, 200, 500)
    assert watched.monitor.begin_interval() == (2, 1)
    assert watched.answer(500).monitor.begin_interval() == (0, 1)
    assert watched.monitor.begin_interval() == (0, 0)


HUNDRED, HALF = (200, 0), (100, 100)


def rates(*counts: tuple[int, int], **changes: object) -> dict[int, str]:
    policy = OutlierPolicy(**{"enabled": True, **changes})
    return far_below(dict(enumerate(counts)), policy)


def test_one_at_half_the_success_of_four_others_is_far_below() -> None:
    assert rates(HUNDRED, HUNDRED, HUNDRED, HUNDRED, HALF) == {
        4: "50.0 % of 200 requests succeeded, and it takes 52.0 % beside the others"
    }


def test_of_too_few_backends_or_requests_nothing_is_concluded() -> None:
    assert rates(HUNDRED, HUNDRED, HUNDRED, HALF) == {}
    assert rates(HUNDRED, HUNDRED, HUNDRED, (99, 0), HALF) == {}
    assert list(rates(HUNDRED, HUNDRED, HUNDRED, (100, 0), HALF)) == [4]


def test_who_had_too_few_requests_is_neither_judged_nor_a_measure() -> None:
    assert list(rates(*[HUNDRED] * 4, HALF, (0, 99))) == [4]


def test_who_is_just_at_the_threshold_is_not_below_it() -> None:
    # Mean 90, deviation 20: the threshold is 50.
    assert rates(*[HUNDRED] * 4, HALF, success_deviations=2.0) == {}


def test_equal_backends_are_no_outliers_however_bad() -> None:
    assert rates(*[HALF] * 5) == {}
    assert rates(*[(0, 200)] * 5) == {}


def test_without_deviations_rates_are_not_compared() -> None:
    assert rates(*[HUNDRED] * 4, HALF, success_deviations=0.0) == {}
