"""The levels fit into each other."""

import itertools

from analytics.levels import STEPS


def test_each_level_divides_the_next():
    for step, wider in itertools.pairwise(STEPS):
        assert wider % step == 0
