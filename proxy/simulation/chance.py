"""Chance that can be repeated."""

from random import Random


def chance(seed: int, purpose: str) -> Random:
    """Of its own for each purpose, so that algorithms which draw differently meet equal loads."""
    return Random(f"{seed} {purpose}")  # noqa: S311 - chance, no secret
