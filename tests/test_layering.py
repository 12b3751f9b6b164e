"""The one-way street: analytics → proxy → pool, and nobody imports lbsite.

The data plane's shared words and its core run without Django, REST framework
and Celery: an edge must start, and be tested, without them.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = {
    "pool": {"pool"},
    "proxy": {"proxy", "pool"},
    "analytics": {"analytics", "proxy", "pool"},
    "lbsite": {"lbsite", "analytics", "proxy", "pool"},
}

# Modules and packages (with all that is in them) that import no framework.
PURE = [
    "pool.addresses",
    "pool.alerts.addresses",
    "pool.alerts.conditions",
    "pool.alerts.http",
    "pool.bus",
    "pool.causes",
    "pool.circuits.advice",
    "pool.circuits.records",
    "pool.circuits.script",
    "pool.choices",
    "pool.diff",
    "pool.failover.decide",
    "pool.failover.store",
    "pool.hash_key",
    "pool.header_rules",
    "pool.obstacles",
    "pool.snapshot",
    "pool.tiers",
    "pool.tls",
    "pool.trouble",
    "pool.health.hysteresis",
    "pool.health.plan",
    "pool.health.probe",
    "pool.health.schedule",
    "proxy.circuit_breaker",
    "proxy.client",
    "proxy.core",
    "proxy.failover",
    "proxy.stores",
    "proxy.simulation",
]

IMPORT_WITHOUT_FRAMEWORKS = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("django", "rest_framework", "celery"):
            raise ImportError(f"{name} is not for this layer")

sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def imported_modules(source: str, package: str) -> Iterator[str]:
    """Absolute names of the modules that `source`, a module of `package`, imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) + 1 - node.level]
            prefix = ".".join(base) if node.level else ""
            yield ".".join(part for part in (prefix, node.module) if part)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (
                argument.value
                for argument in node.args[:1]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            )


def wrong_arrows(root: Path) -> list[str]:
    """Each import in the packages under `root` that goes against the street."""
    wrong = []
    for path in sorted(path for layer in ALLOWED for path in (root / layer).rglob("*.py")):
        relative = path.relative_to(root)
        layer, package = relative.parts[0], ".".join(relative.parent.parts)
        for module in imported_modules(path.read_text(), package):
            target = module.partition(".")[0]
            if target in ALLOWED and target not in ALLOWED[layer]:
                wrong.append(f"{relative} imports {module}")
    return wrong


def modules_of(name: str) -> list[str]:
    """The module, or the package with everything in it."""
    path = ROOT.joinpath(*name.split("."))
    if not path.is_dir():
        return [name]
    found = (file.relative_to(ROOT).with_suffix("") for file in path.rglob("*.py"))
    return sorted(".".join(file.parts).removesuffix(".__init__") for file in found)


def import_without_frameworks(modules: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT_FRAMEWORKS, *modules],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_go_one_way():
    assert wrong_arrows(ROOT) == []


@pytest.mark.parametrize("name", PURE)
def test_the_shared_words_and_the_core_need_no_framework(name):
    done = import_without_frameworks(modules_of(name))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("pool", "import proxy"),
        ("pool", "from analytics.models import Rollup"),
        ("pool", "from ..proxy import core"),
        ("pool", "def late():\n    from proxy.core import routing"),
        ("pool", "from importlib import import_module\nimport_module('proxy.core')"),
        ("proxy", "import os, analytics.models as models"),
        ("proxy", "from lbsite import settings"),
        ("analytics", "import lbsite.celery"),
    ],
)
def test_a_wrong_arrow_is_found(tmp_path, layer, source):
    package = tmp_path / layer / "deep"
    package.mkdir(parents=True)
    (package / "module.py").write_text(source.replace("from ..", "from ..."))
    assert len(wrong_arrows(tmp_path)) == 1


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("pool", "import proxyless, django, pool.models\nfrom . import proxy"),
        ("proxy", "from pool import snapshot\nfrom .core import routing"),
        ("analytics", "from proxy.core import histogram\nimport pool.bus"),
        ("lbsite", "import analytics, proxy, pool"),
    ],
)
def test_a_right_arrow_is_allowed(tmp_path, layer, source):
    package = tmp_path / layer
    package.mkdir()
    (package / "module.py").write_text(source)
    assert wrong_arrows(tmp_path) == []


@pytest.mark.parametrize("framework", ["django.conf", "rest_framework", "celery"])
def test_a_framework_in_a_pure_layer_is_found(framework):
    done = import_without_frameworks([framework])
    assert done.returncode != 0
    assert "is not for this layer" in done.stderr
