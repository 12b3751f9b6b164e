"""Balancing algorithms: one file each, found by name through entry points."""

from functools import cache
from importlib.metadata import entry_points

from pool.choices import ALGORITHM_GROUP
from proxy.core.balancing.base import Balancer


class UnknownAlgorithm(LookupError):
    """No installed package provides an algorithm of this name."""


@cache
def balancer_class(name: str) -> type[Balancer]:
    """The algorithm that is installed under `name`.

    Looked up once: reading the metadata of every installed package takes longer
    than all the rest of taking up a snapshot.
    """
    for entry in entry_points(group=ALGORITHM_GROUP, name=name):
        try:
            loaded = entry.load()
        except (ImportError, AttributeError) as error:
            raise UnknownAlgorithm(f"{entry.value} cannot be loaded: {error}") from error
        if not (isinstance(loaded, type) and issubclass(loaded, Balancer)):
            raise UnknownAlgorithm(f"{entry.value} is not a Balancer")
        return loaded
    raise UnknownAlgorithm(f"no algorithm named {name!r} is installed")


__all__ = ["Balancer", "UnknownAlgorithm", "balancer_class"]
