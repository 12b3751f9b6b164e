"""/metrics and `lb report` of the whole product: each request once, whatever is killed."""

import contextlib
import json
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.load import Load
from tests.integration.product import Product

Samples = dict[str, list[tuple[dict[str, str], float]]]


@pytest.fixture(scope="module")
def product(make_product: Callable[..., Product]) -> Product:
    made = make_product(LB_METRICS="open")
    return made.start("--demo", "--workers", "2", "--interval", "0.5").wait_until_running()


def scrape(product: Product) -> Samples:
    status, text = product.get("/metrics", product.admin_port)
    assert status == 200, text
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return samples


def requests(product: Product) -> int:
    return int(sum(value for _, value in scrape(product)["lb_requests_total"]))


def test_counters_hold_what_clients_got_and_never_go_back(product: Product) -> None:
    seen = [requests(product)]

    def look() -> None:
        with contextlib.suppress(OSError):  # while the web process starts again
            seen.append(requests(product))

    with Load(product.port) as load:
        for name in ("worker", "redis", "web"):
            load.wait_for_more(product)
            look()
            product.program(name).kill()
            product.wait_for(f"{name} runs again")
            look()
        load.wait_for_more(product)
    assert load.errors == []
    product.wait_for_the_admin()
    expected = seen[0] + len(load.statuses)
    product.wait_until(lambda: requests(product) >= expected, "all to be counted")
    product.settle(lambda: requests(product))
    assert requests(product) == expected
    assert seen == sorted(seen)
    found = scrape(product)
    assert sum(value for _, value in found["lb_request_duration_seconds_count"]) == expected
    report = json.loads(product.manage("report", "traffic", "--period", "all", "--format", "json"))
    assert report["totals"]["requests"] == expected


def test_each_edge_worker_tells_what_it_runs(product: Product) -> None:
    def running() -> list[float]:
        return [value for _, value in scrape(product)["lb_snapshot_version"]]

    product.wait_until(lambda: len(running()) == 2, "both workers to report")
    [(_, published)] = scrape(product)["lb_snapshot_published"]
    assert running() == [published, published]

    def up() -> dict[str, float]:
        return {labels["backend"]: value for labels, value in scrape(product)["lb_backend_up"]}

    everybody = {"demo-a": 1, "demo-b": 1, "demo-c": 1}
    product.wait_until(lambda: up() == everybody, "all backends to be up")
