import pytest

from analytics.terminal import cells


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3599.6, "1 h"),
        (3660, "1 h 1 min"),
        (3601, "1 h"),
        (86400, "1 d"),
        (90000, "1 d 1 h"),
        (400 * 86400, "400 d"),
    ],
)
def test_a_length_of_time(seconds, shown):
    assert cells.length(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (1234567, "1,234,567"), (0.5, "0.5"), (1 / 3, "0.333")]
)
def test_a_number(value, shown):
    assert cells.number(value) == shown
