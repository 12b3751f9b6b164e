"""What an installation says of itself, and what it is."""

import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from proxy.build import build_name, is_compiled

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
HOT = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]


@pytest.mark.parametrize("path", HOT)
def test_each_hot_module_is_compiled_where_that_is_said_and_only_there(path: str) -> None:
    spec = find_spec(path.removesuffix(".py").replace("/", "."))
    assert spec is not None
    assert spec.origin is not None
    assert spec.origin.endswith(path) is not is_compiled()


def test_the_version_says_whether_hot_modules_are_compiled() -> None:
    compiled = ", compiled" if is_compiled() else ""
    assert build_name() == PROJECT["project"]["version"] + compiled
