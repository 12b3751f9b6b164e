"""The page "Why is it down?" in a real browser, on a wide screen and on a phone."""

from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from pool.bus import HEALTH_KEY, HealthStatus
from pool.choices import HealthState
from pool.models import Backend, HealthRecord, Pool


@pytest.fixture
def backend(transactional_db, redis_client):
    pool = Pool.objects.create(name="web", health_interval=10)
    first, *_ = [
        Backend.objects.create(pool=pool, name=f"b{number}", url=f"http://127.0.0.1:900{number}")
        for number in range(4)
    ]
    return first


@pytest.fixture
def bad_day(backend, redis_client):
    """Up for a day but for the last ten minutes."""
    now = timezone.now()
    rows = []
    for index in range(24 * 60):
        down = index < 10
        rows.append(
            HealthRecord(
                backend=backend,
                at=now - timedelta(minutes=index),
                result="fail" if down else "pass",
                state="unhealthy" if down else "healthy",
                reason="connection refused" if down else "",
                latency_ms=None if down else 2.0 + index % 3,
            )
        )
    HealthRecord.objects.bulk_create(rows)
    since = (now - timedelta(minutes=10)).timestamp()
    status = HealthStatus(state=HealthState.UNHEALTHY, since=since, reason="connection refused")
    redis_client.hset(HEALTH_KEY, str(backend.pk), msgspec.json.encode(status))


@pytest.fixture(params=[(1400, 1000), (400, 900)], ids=["wide", "phone"])
def window(driver, request):
    size = driver.get_window_size()
    driver.set_window_size(*request.param)
    yield
    driver.set_window_size(size["width"], size["height"])


def test_an_operator_reads_why_a_backend_is_down(pages, window, backend, bad_day):
    pages.open(f"pool/backend/{backend.pk}/health/")
    assert "web/b0 is down: it gets no new requests." in pages.text
    assert "Its probes fail: connection refused" in pages.text
    assert "3 of 4 left: two more losses and panic starts." in pages.text
    colours = pages.driver.execute_script(
        "return [...document.querySelectorAll('.lb-strip rect')].map(r => r.className.baseVal)"
    )
    assert colours.count("lb-down") in (1, 2)
    assert colours.count("lb-up") >= 142
    # Nothing is wider than the screen, whatever its size.
    assert pages.driver.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


def test_it_follows_what_happens(pages, backend, redis_client):
    pages.open(f"pool/backend/{backend.pk}/health/")
    assert "is not probed yet" in pages.text
    status = HealthStatus(state=HealthState.HEALTHY, since=1_700_000_000)
    redis_client.hset(HEALTH_KEY, str(backend.pk), msgspec.json.encode(status))
    pages.wait(lambda: "is up and gets its share" in pages.find("#why").text)
