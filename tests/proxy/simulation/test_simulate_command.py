"""`manage.py simulate`: what operators type, and what they get."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from pool.choices import algorithm_names
from pool.connection import redis_client
from pool.models import Backend, Event, Pool, Revision

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop(settings: Any) -> Any:
    """A pool of a and b, while Redis refuses connections."""
    settings.LB_REDIS_URL = "unix:///nonexistent/redis.sock"
    redis_client.cache_clear()
    pool = Pool.objects.create(name="shop", algorithm="round_robin")
    Backend.objects.create(pool=pool, name="a", url="http://127.0.0.1:9001", weight=3)
    Backend.objects.create(pool=pool, name="b", url="http://127.0.0.1:9002")
    yield pool
    redis_client.cache_clear()


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("simulate", *arguments, stdout=out)
    return out.getvalue()


def outcomes(*arguments: str) -> dict[str, Any]:
    given = ("--pool", "shop", "--requests", "1000", "--format", "json", *arguments)
    return {one["algorithm"]: one for one in json.loads(run(*given))}


def test_the_pools_own_algorithm_is_tried_if_none_is_named() -> None:
    (outcome,) = outcomes().values()
    assert outcome["algorithm"] == "round_robin"
    assert outcome["shares"] == {"a": 0.5, "b": 0.5}
    assert outcome["requests"] == 1000


def test_weights_are_the_pools() -> None:
    shares = outcomes("--algorithm", "weighted_round_robin")["weighted_round_robin"]["shares"]
    assert shares == {"a": 0.75, "b": 0.25}


def test_all_algorithms_can_be_compared() -> None:
    assert list(outcomes("--algorithm", "all")) == algorithm_names()


def test_latencies_are_those_that_are_given() -> None:
    latency = outcomes("--latency", "5ms", "b=uniform:10ms", "--rate", "10")["round_robin"][
        "latency"
    ]
    assert latency["p50"] == 5
    assert 5 < latency["p99"] <= 10


def test_what_fails_shows_until_the_pools_circuit_opens() -> None:
    given = ("--fail", "b@100ms-:errors", "--rate", "100")
    assert 5 <= outcomes(*given)["round_robin"]["errors"]["status_500"] < 20
    Pool.objects.update(circuit_mode="off", health_enabled=False)
    assert outcomes(*given)["round_robin"]["errors"]["status_500"] > 400


def test_capacity_makes_requests_wait() -> None:
    outcome = outcomes("--capacity", "1", "--latency", "10ms", "--concurrency", "4")["round_robin"]
    assert outcome["queue"]["mean"] == pytest.approx(10, rel=0.05)


def test_a_log_gives_load_and_latencies(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    entry = '{"time":"2026-11-21T12:00:0%d.000Z","pool":"shop","backend":"a","cause":"complete",'
    log.write_text("".join(f'{entry % second}"total_ms":20.0}}\n' for second in range(5)))
    given = ("--pool", "shop", "--format", "json", "--from-log", str(log))
    (outcome,) = json.loads(run(*given))
    assert outcome["requests"] == 5
    assert outcome["seconds"] == pytest.approx(4.020)
    assert outcome["latency"]["p50"] == 20


def test_a_person_gets_a_table_and_charts() -> None:
    text = run("--pool", "shop", "--requests", "100", "--algorithm", "random", "round_robin")
    assert "Pool shop, 2 backends: 100 requests, 50 at a time, 1 worker, seed 0." in text
    assert "lognormal:20ms:0.5 is assumed" in text
    assert "█" in text
    for word in ("random", "round_robin", "p999", "50.0%"):
        assert word in text


def test_names_are_whole_where_there_is_no_terminal(shop: Pool) -> None:
    name = "b" * 260
    Backend.objects.create(pool=shop, name=name, url="http://127.0.0.1:9003")
    assert name in run("--pool", "shop", "--requests", "1000")


def test_the_tower_needs_no_pool() -> None:
    assert "10-max-1000ms" in run("--tower", "--requests", "500")


def test_equal_seeds_give_equal_reports() -> None:
    assert outcomes("--seed", "3") == outcomes("--seed", "3") != outcomes("--seed", "4")


def test_nothing_is_changed() -> None:
    before = (Event.objects.count(), Revision.objects.count())
    outcomes("--fail", "b@0s-", "--algorithm", "all")
    assert (Event.objects.count(), Revision.objects.count()) == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "--pool --tower is required"),
        (("--pool", "shopp"), "There is no pool 'shopp'; there is shop."),
        (("--pool", "shop", "--algorithm", "astrology"), "no algorithm named 'astrology'"),
        (("--pool", "shop", "--latency", "c=10ms"), "no backend 'c', but a, b"),
        (("--pool", "shop", "--latency", "a=10"), "--latency: '10' is no duration"),
        (("--pool", "shop", "--latency", "=10ms"), "no backend's name before '='"),
        (("--pool", "shop", "--fail", "a@5"), "--fail: '5' is no failure"),
        (("--pool", "shop", "--capacity", "a=0"), "--capacity: '0' is no number from 1"),
        (("--pool", "shop", "--requests", "6000000"), "from 1 to 5,000,000"),
        (("--pool", "shop", "--rate", "nan"), "'nan' is no number"),
        (("--pool", "shop", "--rate", "1", "--concurrency", "1"), "not allowed with"),
        (("--pool", "shop", "--from-log", "/nowhere"), "/nowhere cannot be read: No such file"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert problem in str(caught.value)


def test_a_pool_without_backends_cannot_be_tried() -> None:
    Pool.objects.create(name="empty")
    with pytest.raises(CommandError, match=r"\Athe pool 'empty' has no backend\.\Z"):
        run("--pool", "empty")
