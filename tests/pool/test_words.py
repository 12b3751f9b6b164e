"""Numbers and times as people say them."""

import pytest

from pool.words import counted, length


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3601, "1 h"),
        (3660, "1 h 1 min"),
        (2 * 86400 + 3 * 3600 + 59, "2 d 3 h"),
        (1000 * 86400, "1,000 d"),
    ],
)
def test_a_length_of_time_has_two_units_at_most(seconds, said):
    assert length(seconds) == said


def test_what_is_counted_is_one_or_many():
    assert [counted(number, "pool") for number in (0, 1, 2)] == ["0 pools", "1 pool", "2 pools"]
    assert counted(2, "pass", "passes") == "2 passes"
