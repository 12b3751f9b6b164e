"""Where an edge has the installation's secret from, and whom it believes."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from proxy.engine.settings import EdgeSettings, read_settings


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LB_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("LB_SECRET_KEY", raising=False)
    return tmp_path


def test_the_secret_of_the_data_folder_is_the_edges_too(data_dir: Path) -> None:
    (data_dir / "secret_key").write_text("kept\n")
    assert read_settings().secret_key == "kept"


def test_the_environments_secret_comes_first(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_dir / "secret_key").write_text("kept")
    monkeypatch.setenv("LB_SECRET_KEY", "given")
    assert read_settings().secret_key == "given"


def test_an_edge_can_do_without() -> None:
    assert read_settings().secret_key == ""


def test_a_secret_that_cannot_be_read_is_told_without_it(data_dir: Path) -> None:
    (data_dir / "secret_key").write_bytes(b"hidden\xff")
    with pytest.raises(ValueError, match="LB_SECRET_KEY") as caught:
        read_settings()
    assert "hidden" not in str(caught.value)


def test_settings_do_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LB_SECRET_KEY", "given")
    monkeypatch.setenv("LB_REDIS_URL", "redis://:given@redis:6379/0")
    assert "given" not in repr(read_settings())


def test_an_empty_data_folder_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LB_DATA_DIR", "")
    named_none = read_settings()
    monkeypatch.delenv("LB_DATA_DIR")
    assert named_none.data_dir == read_settings().data_dir == Path.cwd() / "var"


@pytest.mark.parametrize(
    ("address", "trusted"),
    [("10.1.2.3", True), ("11.0.0.1", False), ("2001:db8::1", True), ("2001:db9::1", False)],
)
def test_proxies_are_trusted_by_their_networks(address: str, trusted: bool) -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert EdgeSettings(trusted_proxies=networks).trusts(address) is trusted
    assert not EdgeSettings().trusts(address)
