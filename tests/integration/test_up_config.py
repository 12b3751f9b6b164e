"""`lb up --config servers.json`."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lbsite.demo import DemoServer


@pytest.fixture(scope="module")
def backends() -> Iterator[list[DemoServer]]:
    servers = [DemoServer(f"server-{number}", "127.0.0.1", 0) for number in (1, 2, 3)]
    for server in servers:
        Thread(target=server.serve_forever, daemon=True).start()
    yield servers
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="module")
def product(make_product: Callable[[], Any]) -> Any:
    return make_product()


def write(path: Path, backends: list[DemoServer], weights: dict[int, int]) -> str:
    entries = [
        {"id": n, "host": "127.0.0.1", "port": backends[n - 1].server_port, "weight": weight}
        for n, weight in weights.items()
    ]
    path.write_text(json.dumps(entries))
    return str(path)


def test_it_makes_the_pool_and_says_so(
    product: Any, backends: list[DemoServer], tmp_path: Path
) -> None:
    file = write(tmp_path / "servers.json", backends, {1: 1, 2: 1, 3: 1})
    product.start("--config", file, "--interval", "2.5").wait_until_running()
    assert "added pool default" in product.output
    assert f"added backend default/backend-1 (http://127.0.0.1:{backends[0].server_port}" in (
        product.output
    )
    assert "added route / to pool default" in product.output
    product.get()
    answers = Counter(product.get()[1] for _ in range(6))
    assert answers == {"server-1\n": 2, "server-2\n": 2, "server-3\n": 2}
    assert product.stop() == 0


def test_a_changed_file_changes_only_what_differs(
    product: Any, backends: list[DemoServer], tmp_path: Path
) -> None:
    file = write(tmp_path / "servers.json", backends, {1: 3, 2: 1})
    product.start("--config", file, "--interval", "2.5").wait_until_running()
    told = [line.strip() for line in product.lines if line.strip().startswith(("added", "changed"))]
    assert told == ["changed backend default/backend-1 (weight 1 → 3)"]
    assert "removed backend default/backend-3" in product.output
    product.get()
    answers = Counter(product.get()[1] for _ in range(8))
    assert answers == {"server-1\n": 6, "server-2\n": 2}
    assert product.stop() == 0


def test_a_malformed_file_changes_nothing(product: Any, run_up: Any, tmp_path: Path) -> None:
    file = tmp_path / "servers.json"
    file.write_text('[{"id": 1, "host": "127.0.0.1", "port": "x"}]')
    result = run_up(*product.arguments(), "--config", str(file))
    assert result.returncode == 1
    assert result.stderr.strip() == (
        f"CommandError: {file}: entry 1 (id 1), port: give a whole number from 1 to 65535, "
        'not "x"; nothing was changed'
    )
    assert result.stdout == ""


def test_a_byte_order_mark_is_no_part_of_the_json(
    product: Any, run_up: Any, tmp_path: Path
) -> None:
    file = tmp_path / "servers.json"
    file.write_text('[{"host": 1}]', encoding="utf-8-sig")
    result = run_up(*product.arguments(), "--config", str(file))
    assert "entry 1, host: write it as text" in result.stderr


def test_a_server_that_is_refused_changes_nothing_and_stops_what_was_started(
    product: Any, run_up: Any, backends: list[DemoServer], tmp_path: Path
) -> None:
    file = write(tmp_path / "servers.json", backends, {3: 1001})
    result = run_up(*product.arguments(), "--config", file)
    assert result.returncode == 1
    assert "weight: " in result.stderr
    assert "; nothing was changed" in result.stderr
    assert "removed backend" not in result.stdout


@pytest.mark.parametrize("interval", ["0", "-1", "soon", "nan"])
def test_an_interval_out_of_range_starts_nothing(product: Any, run_up: Any, interval: str) -> None:
    result = run_up(*product.arguments(), "--interval", interval)
    assert result.returncode == 2
    assert result.stderr.endswith(
        f"error: argument --interval: Give a number of seconds from 0.1 to 3600. Not {interval}.\n"
    )
    assert result.stdout == ""


def test_without_the_file_it_starts_with_what_is_configured(product: Any) -> None:
    product.start().wait_until_running()
    assert {product.get()[1] for _ in range(8)} == {"server-1\n", "server-2\n"}
