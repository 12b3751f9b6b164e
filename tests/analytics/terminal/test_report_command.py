"""`manage.py report`: what REST says, for a person and for a script."""

import csv
import json
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone
from rest_framework.test import APIClient

from analytics import store
from analytics.requests.models import RequestRecord
from analytics.terminal.kinds import KINDS
from pool.models import Backend, Pool

pytestmark = pytest.mark.django_db

REPORTS = [name for name in KINDS if name != "requests"]


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shop(batch, row):
    pool = Pool.objects.create(name="shop")
    for name in "ab":
        Backend.objects.create(pool=pool, name=name, url=f"http://{name}:1")
    rows = [
        row((1000,) * 1500, backend="a"),
        row((3000,) * 500, backend_id=2, backend="b", status_2xx=400, status_5xx=100),
    ]
    now = timezone.now()
    store.add([batch(*rows, at=int(now.timestamp()) - 60)], now)
    return pool


def report(*words, out=None, **options):
    out = out or StringIO()
    call_command("report", *words, stdout=out, **options)
    return out.getvalue()


def tables(text):
    """Lines of a plain report, cut at two spaces or more."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.split("\n")
    ]


@pytest.mark.parametrize("kind", REPORTS)
def test_json_is_what_rest_answers(shop, kind):
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("boss"))
    # Of a time that is over: one that runs has another end by now.
    now = timezone.now()
    span = {
        "from": str(int((now - timedelta(minutes=5)).timestamp())),
        "to": str(int((now - timedelta(seconds=15)).timestamp())),
    }
    words = [word for name, value in span.items() for word in (f"--{name}", value)]
    told = json.loads(report(kind, "--pool", "shop", *words, "--format", "json"))
    assert told == client.get(f"/api/v1/reports/{kind}/", {"pool": "shop", **span}).json()


def test_a_table_has_the_figures(shop):
    lines = tables(report("traffic", "--pool", "shop", "--period", "5m"))
    assert ["shop", "a", "75.0%", "1,500", "0", "0", "0", "0"] in [line[:8] for line in lines]
    assert ["shop", "b", "25.0%", "500", "100", "0", "0", "0"] in [line[:8] for line in lines]
    assert not any(line[:1] == ["Over time"] for line in lines)


def test_a_step_adds_the_series(shop):
    lines = tables(report("traffic", "--period", "5m", "--step", "1m"))
    assert ["Over time"] in lines
    assert sum(line[1:2] == ["2,000"] for line in lines) == 1


@pytest.mark.parametrize("kind", list(KINDS))
def test_each_report_prints_without_anything(kind):
    assert report(kind)


@pytest.mark.parametrize("kind", list(KINDS))
def test_nothing_is_coloured_where_there_is_no_terminal(shop, kind):
    assert "\x1b" not in report(kind)


def test_csv_is_that_of_rest(shop):
    rows = list(
        csv.DictReader(StringIO(report("errors", "--table", "backends", "--format", "csv")))
    )
    assert [(row["backend"], row["errors"]) for row in rows] == [("a", "0"), ("b", "100")]


def test_some_of_many_backends_are_said_to_be_some(shop):
    assert "1 of 2 backends" in report("traffic", "--top", "1")


def test_several_periods_at_once(shop):
    text = report("traffic", "--periods", "5m,all")
    assert text.count("2,000") == 2


def record(key, **fields):
    defaults = {
        "at": timezone.now(),
        "request_id": f"id-{key}",
        "notable": False,
        "client": "192.0.2.1",
        "method": "GET",
        "host": "shop.test",
        "path": "/",
        "route_id": 1,
        "pool_id": 1,
        "pool": "shop",
        "backend_id": 1,
        "backend": "a",
        "status": 200,
        "cause": "complete",
        "attempts": 1,
        "bytes_in": 10,
        "bytes_out": 100,
        "total": 1500,
        "snapshot": 1,
    }
    return RequestRecord.objects.create(key=key, **defaults | fields)


@pytest.mark.parametrize("kind", ["distribution", "traffic", "requests"])
def test_names_are_whole_where_there_is_no_terminal(batch, row, kind):
    names = {"pool": "p" * 100, "backend": "b" * 260}
    pool = Pool.objects.create(name=names["pool"])
    Backend.objects.create(pool=pool, name=names["backend"], url="http://b:1")
    store.add([batch(row((1000,), **names), at=int(time.time()) - 60)], timezone.now())
    record(1, **names)
    text = report(kind, "--period", "5m")
    assert all(name in text for name in names.values())


def test_the_newest_requests(shop):
    now = timezone.now()
    for age, status in ((0, 500), (1, 200), (2, 502), (3, 503), (10, 500)):
        record(age + 1, at=now - timedelta(minutes=age), path=f"/{age}", status=status)
    lines = tables(report("requests", "--period", "5m", "--limit", "2", "--status", "5xx"))
    assert [line[4] for line in lines if len(line) > 4 and line[4].startswith("/")] == ["/0", "/2"]


def test_what_a_terminal_would_obey_is_not_passed_on(shop):
    record(1, path="/\x1b]0;evil\x07[bold]x")
    for out in (StringIO(), Terminal()):
        text = report("requests", out=out, no_color=True)
        assert "\x1b]0" not in text
        assert "\x07" not in text
    assert "[bold]x" in report("requests")


# --- what is wrong ---


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["traffic", "--pool", "none"], "--pool: There is no pool “none”"),
        (["traffic", "--period", "2h"], "--period: “2h” is not a period; give one of 5m"),
        (["traffic", "--from", "then"], "--from: “then” is not a time"),
        (["availability", "--target", "100"], "--target: Give a percentage above 0"),
        (["requests", "--min-ms", "slow"], "--min-ms: "),
        (["requests", "--period", "1h", "--from", "2026-01-01"], "--period: Give either"),
        (["compare", "--revision", "9"], "--revision: There is no revision"),
    ],
)
def test_what_cannot_be_reported_is_named_with_its_option(shop, words, error):
    with pytest.raises(CommandError) as raised:
        report(*words)
    assert str(raised.value).startswith(error)
    assert raised.value.returncode == 1


@pytest.mark.parametrize("words", [[], ["nothing"], ["traffic", "--format", "xml"]])
def test_a_wrong_command_line(words):
    with pytest.raises(CommandError):
        report(*words)


def test_a_database_that_is_away_is_told(monkeypatch):
    def away(*_, **__):
        raise OperationalError("no such host")

    monkeypatch.setattr("analytics.reports.rollups.totals", away)
    with pytest.raises(CommandError, match="The database cannot be read: no such host"):
        report("traffic")
