"""The README's own algorithm, installed as a package of somebody else's."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from pool.choices import algorithm_names
from pool.snapshot import BackendSpec, PoolSpec, Snapshot
from proxy.core.balancing import UnknownAlgorithm, balancer_class
from proxy.core.configuration import Configuration
from proxy.testing import check_balancer

README = Path(__file__).parents[4] / "README.md"


def block(language: str, containing: str) -> str:
    """The code block of the README in which something stands."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    (found,) = (one for one in blocks if containing in one)
    return found


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entry_point = block("toml", "lbsite.algorithms").splitlines()[1].replace('"', "")
    (tmp_path / "zone_first.py").write_text(block("python", "class ZoneFirst"))
    metadata = tmp_path / "zone_first-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: zone-first\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[lbsite.algorithms]\n{entry_point}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    balancer_class.cache_clear()


def test_without_its_package_it_is_unknown() -> None:
    assert "zone_first" not in algorithm_names()
    with pytest.raises(UnknownAlgorithm, match="zone_first"):
        balancer_class("zone_first")


@pytest.mark.usefixtures("installed")
def test_it_keeps_the_promises_of_an_algorithm() -> None:
    check_balancer(balancer_class("zone_first"))


@pytest.mark.usefixtures("installed")
def test_it_chooses_for_a_pool_that_names_it() -> None:
    backends = tuple(
        BackendSpec(id=number, name=zone, url="http://10.0.0.1", metadata={"zone": zone})
        for number, zone in enumerate(["us-1", "eu-1", "eu-2"], 1)
    )
    spec = PoolSpec(id=1, name="web", algorithm="zone_first", backends=backends)
    pool = Configuration(Snapshot(number=1, pools=(spec,))).pools[1]
    assert {pool.choose() for _ in range(20)} == {pool.backends[2]}
    assert {pool.choose({pool.backends[2]}) for _ in range(50)} == {
        pool.backends[1],
        pool.backends[3],
    }


@pytest.mark.usefixtures("installed")
def test_the_admin_offers_it(admin_client: Client) -> None:
    page = admin_client.get("/admin/pool/pool/add/").content.decode()
    assert re.search(r'<option value="zone_first"[^>]*>\s*Zone first\s*</option>', page)
