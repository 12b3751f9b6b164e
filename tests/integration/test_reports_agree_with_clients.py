"""Each report against the diary of clients that wrote down what they got."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pytest

from tests.integration.counting import backend
from tests.integration.counting.diary import LIMITED, ODD, Diary, oddities, quantile, slowly, write
from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.product import Product

WEIGHTS = {"a": 1, "b": 2, "c": 3}
POOL, ODD_POOL, ODD_BACKEND = "default", "odd", "d"
NARROWEST = 10  # seconds; where the times to compare begin and end
EARLY = 2.0  # milliseconds by which a timer may be


@dataclass
class Story:
    """Two times, which a boundary of the narrowest level parts; in Unix seconds."""

    product: Product
    first: Diary
    second: Diary
    began: int
    parted: int
    ended: int

    @property
    def diary(self) -> Diary:
        return Diary([*self.first, *self.second])

    def report(self, name: str, **asked: object) -> Any:
        query = "&".join(f"{key}={value}" for key, value in {"period": "1h", **asked}.items())
        return self.product.rest("GET", f"reports/{name}/?{query}")


@pytest.fixture(scope="module")
def story(make_product: Callable[..., Product], tmp_path_factory: Any) -> Iterator[Story]:
    with ExitStack() as stack:
        product = make_product()
        urls = {name: start_backend(name, stack) for name in (*WEIGHTS, ODD_BACKEND)}
        servers = [
            {"name": name, "url": urls[name], "weight": weight} for name, weight in WEIGHTS.items()
        ]
        config = tmp_path_factory.mktemp("config") / "servers.json"
        config.write_text(json.dumps(servers))
        product.start("--config", str(config), "--workers", "2").wait_until_running()
        configure(product, urls[ODD_BACKEND])
        yield tell(product)


def start_backend(name: str, stack: ExitStack) -> str:
    port = ReservedPort()
    stack.callback(port.release)
    process = subprocess.Popen([sys.executable, backend.__file__, name, str(port.number)])
    stack.callback(process.wait)
    stack.callback(process.kill)
    return f"http://127.0.0.1:{port.number}"


def configure(product: Product, odd_url: str) -> None:
    """A pool for what goes wrong, and a route with a rate limit."""
    product.rest("PATCH", f"pools/{POOL}/", {"algorithm": "weighted_round_robin"})
    odd = {"name": ODD_POOL, "response_timeout": 2.0, "circuit_mode": "off"}
    product.rest("POST", "pools/", odd)
    product.rest("POST", f"pools/{ODD_POOL}/backends/", {"name": ODD_BACKEND, "url": odd_url})
    product.rest("POST", "routes/", {"path_prefix": ODD, "strip_prefix": True, "pool": ODD_POOL})
    limit = {"rate_requests": 1, "rate_period": 60.0, "rate_burst": 5}
    product.rest(
        "POST",
        "routes/",
        {"path_prefix": LIMITED, "strip_prefix": True, "pool": ODD_POOL, **limit},
    )
    last = product.rest("GET", "revisions/?limit=1")["results"][0]["number"]
    product.wait_until(lambda: runs(product) >= last, "the configuration to run")


def runs(product: Product) -> int:
    """The oldest snapshot that an edge worker says it runs."""
    workers = product.rest("GET", "edges/")["results"]
    return min(worker["snapshot_number"] for worker in workers)


def tell(product: Product) -> Story:
    began = int(time.time()) // NARROWEST * NARROWEST
    first = Diary(write(product.port, [*oddities(), *slowly(2000, seed=1, errors=1)]))
    # An edge reads its counters once a second: what was answered until now is in this bucket.
    parted = (int(time.time()) + 3 + NARROWEST) // NARROWEST * NARROWEST
    time.sleep(parted - time.time())
    second = Diary(write(product.port, slowly(1200, seed=2, errors=8)))
    ended = (int(time.time()) + 3 + NARROWEST) // NARROWEST * NARROWEST
    story = Story(product, first, second, began, parted, ended)
    wanted = len(story.diary)

    def counted() -> int:
        totals = story.report("traffic", step="none")["totals"]
        return int(totals["requests"] + totals["client_aborts"])

    product.wait_until(lambda: counted() >= wanted, "all of it to be counted")
    return story


def within(milliseconds: float, least: float, most: float) -> bool:
    """Within 5 % of what is between what the backends and what the clients have measured."""
    return 0.95 * least - EARLY <= milliseconds <= 1.05 * most


def is_quantile(milliseconds: float, diary: Diary, q: float) -> bool:
    return within(milliseconds, quantile(diary.least, q), quantile(diary.seconds, q))


def of(name: str) -> Callable[[Any], bool]:
    return lambda row: row.backend == name


def rows_of(report: Any) -> dict[str, Any]:
    return {row["backend"]: row for row in report["backends"]}


def test_traffic_in_total(story: Story) -> None:
    totals = story.report("traffic")["totals"]
    answered = story.diary.answered
    assert totals["requests"] == len(answered)
    assert totals["client_aborts"] == len(story.diary) - len(answered) > 0
    assert totals["errors"] == len(answered.errors) > 0
    assert totals["successes"] == len(answered) - len(answered.errors)
    # Of those that have waited for a backend in vain the edge knows for which.
    no_backend = answered.of(lambda entry: not entry.backend and entry.status != 504)
    assert totals["answered_by_edge"] == len(no_backend)
    families = {f"status_{family}xx": len(answered.of_class(family)) for family in range(1, 6)}
    assert {name: totals[name] for name in families} == families


def test_traffic_of_each_backend(story: Story) -> None:
    rows = rows_of(story.report("traffic"))
    assert rows.keys() == {*WEIGHTS, ODD_BACKEND}
    for name in WEIGHTS:
        own = story.diary.of(of(name))
        counted = [rows[name][field] for field in ("requests", "errors", "bytes_out")]
        assert counted == [len(own), len(own.errors), own.size]


def test_points_of_the_series_add_up_to_each_of_the_two_times(story: Story) -> None:
    for diary, start, end in (
        (story.first, story.began, story.parted),
        (story.second, story.parted, story.ended),
    ):
        asked = {"period": "", "from": start, "to": end, "step": "10s"}
        report = story.report("traffic", **asked)
        assert sum(point["requests"] for point in report["series"]) == len(diary.answered)
        assert sum(point["errors"] for point in report["series"]) == len(diary.errors)
        assert report["totals"]["requests"] == len(diary.answered)


def test_several_periods_at_once_hold_the_same(story: Story) -> None:
    reports = story.report("traffic", period="", periods="1h,24h,all")["periods"]
    assert [one["totals"]["requests"] for one in reports] == [len(story.diary.answered)] * 3


def test_percentiles_are_those_of_the_clients(story: Story) -> None:
    rows = rows_of(story.report("latency", pool=POOL))
    quantiles = {
        "min": 0,
        "p50": 0.5,
        "p90": 0.9,
        "p95": 0.95,
        "p99": 0.99,
        "p999": 0.999,
        "max": 1,
    }
    for name in WEIGHTS:
        own, told = story.diary.of(of(name)), rows[name]["total"]
        assert rows[name]["requests"] == len(own)
        for field, q in quantiles.items():
            assert is_quantile(told[field], own, q), (name, field)
        assert within(told["avg"], 1000 * fmean(own.least), 1000 * fmean(own.seconds))


def test_the_heat_map_holds_each_request_once(story: Story) -> None:
    report = story.report("latency", pool=POOL)
    drawn = sum(sum(column) for column in report["heat_map"]["counts"])
    assert drawn == sum(len(story.diary.of(of(name))) for name in WEIGHTS)


def test_errors_by_class_and_cause(story: Story) -> None:
    report = story.report("errors")
    totals, answered = report["totals"], story.diary.answered
    assert totals["errors"] == len(answered.errors)
    assert totals["status_4xx"] == len(answered.of_class(4))
    assert totals["rate"] == pytest.approx(len(answered.errors) / len(answered), abs=1e-6)
    causes = totals["causes"]
    assert causes["timeout"] == len(answered.of(lambda entry: entry.path == f"{ODD}/hang"))
    assert causes["cut"] == len(answered.of(lambda entry: "/cut/" in entry.path))
    assert causes["rejected_rate_limit"] == len(answered.of(lambda entry: entry.status == 429))
    assert (causes["connect"], causes["bad_response"], causes["rejected_queue"]) == (0, 0, 0)


def test_shares_of_the_backends(story: Story) -> None:
    rows = rows_of(story.report("distribution", pool=POOL))
    counts = {name: len(story.diary.of(of(name))) for name in WEIGHTS}
    for name, weight in WEIGHTS.items():
        assert rows[name]["requests"] == counts[name]
        assert rows[name]["share"] == pytest.approx(counts[name] / sum(counts.values()), abs=1e-5)
        assert rows[name]["planned"] == pytest.approx(weight / 6, abs=1e-5)


def test_the_two_times_compared(story: Story) -> None:
    a, b = f"{story.began}/{story.parted}", f"{story.parted}/{story.ended}"
    report = story.report("compare", period="", a=a, b=b, pool=POOL)
    for side, diary in (("before", story.first), ("after", story.second)):
        own = diary.of(lambda entry: entry.backend in WEIGHTS)
        assert (report[side]["requests"], report[side]["errors"]) == (len(own), len(own.errors))
        assert is_quantile(report[side]["latency_ms"]["p95"], own, 0.95)


def test_what_errors_have_cost_of_the_budget(story: Story) -> None:
    report = story.report("availability", pool=POOL, target=99)
    (pool,) = report["pools"]
    own = story.diary.of(lambda entry: entry.backend in WEIGHTS)
    assert (pool["requests"], pool["errors"]) == (len(own), len(own.errors))
    assert pool["request_budget"]["used"] == len(own.errors)
    assert pool["request_budget"]["allowed"] == pytest.approx(len(own) / 100, abs=1e-3)
    assert pool["uptime"] == 100


def test_each_error_of_the_edge_is_found_by_its_id(story: Story) -> None:
    ids = [entry for entry in story.diary.errors if entry.request_id]
    assert len(ids) == 12
    for entry in ids:
        found = story.product.rest("GET", f"reports/requests/{entry.request_id}/")
        assert (found["status"], found["path"]) == (entry.status, "/odd/hang")
