"""Which build of the software this is."""

from importlib.metadata import version
from importlib.util import find_spec

_HOT = "proxy.core.exchange"  # one of those that pyproject.toml names: all are compiled, or none


def is_compiled() -> bool:
    """Whether the modules that a request runs through are extension modules."""
    spec = find_spec(_HOT)
    return spec is not None and spec.origin is not None and not spec.origin.endswith(".py")


def build_name() -> str:
    """The version, as `lb --version` and an edge's report tell it."""
    return version("lbsite") + (", compiled" if is_compiled() else "")
