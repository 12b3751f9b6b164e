"""From the id that a client was told to what became of its request, in a real browser."""

import itertools

import pytest
from django.utils import timezone

from analytics.requests import store
from pool.bus import RequestBatch, RequestNote
from pool.models import Backend, Pool

_keys = itertools.count(1)


def note(**fields):
    told = {
        "key": next(_keys),
        "at": int(timezone.now().timestamp() * 1000),
        "request_id": f"{next(_keys):032x}",
        "notable": False,
        "client": "192.0.2.7",
        "method": "GET",
        "host": "shop.test",
        "path": "/cart",
        "route_id": 0,
        "pool_id": 0,
        "pool": "shop",
        "backend_id": 0,
        "backend": "a",
        "status": 200,
        "cause": "complete",
        "attempts": 1,
        "bytes_in": 390,
        "bytes_out": 12_100,
        "queue": 0,
        "retries": 0,
        "connect": 0,
        "first_byte": 4000,
        "total": 5000,
        "snapshot": 1,
    }
    return RequestNote(**told | fields)


@pytest.fixture
def requests(transactional_db, redis_client):
    """One that was retried and timed out, among others."""
    pool = Pool.objects.create(name="shop")
    backend = Backend.objects.create(pool=pool, name="a", url="http://127.0.0.1:9001")
    failed = note(
        request_id="feedbeef",
        notable=True,
        path="/checkout/" + "long/" * 20,
        pool_id=pool.pk,
        backend_id=backend.pk,
        status=504,
        cause="response_timeout",
        attempts=2,
        queue=120_000,
        retries=310_000,
        connect=45_000,
        first_byte=None,
        total=1_475_000,
    )
    others = [note(path=f"/cart/{number}") for number in range(30)]
    batch = RequestBatch(key=next(_keys), at=0, notes=[*others, failed], left_out={})
    store.add([batch])
    return pool


@pytest.fixture(params=[(1400, 1000), (400, 900)], ids=["wide", "phone"])
def window(driver, request):
    size = driver.get_window_size()
    driver.set_window_size(*request.param)
    yield
    driver.set_window_size(size["width"], size["height"])


def widths(pages):
    """Of the parts of the bar, in their order, by what each stands for."""
    script = (
        "return [...document.querySelectorAll('.lb-anatomy span')]"
        ".map(part => [part.className, part.getBoundingClientRect().width])"
    )
    return dict(pages.driver.execute_script(script))


def test_an_operator_finds_a_request_by_its_id_and_sees_where_its_time_went(
    pages, window, requests
):
    pages.open("analytics/requestrecord/?q=feedbeef")
    rows = pages.driver.find_elements("css selector", "#result_list tbody tr")
    assert len(rows) == 1
    pages.click_through(pages.find("#result_list td.field-what a, #result_list th.field-what a"))
    assert "response timeout" in pages.text
    bar = widths(pages)
    assert list(bar) == ["lb-part-queue", "lb-part-retries", "lb-part-connect", "lb-part-rest"]
    assert bar["lb-part-rest"] / bar["lb-part-queue"] == pytest.approx(1000 / 120, rel=0.1)
    page = pages.driver.execute_script("return document.documentElement")
    assert int(page.get_attribute("scrollWidth")) <= int(page.get_attribute("clientWidth"))
    pages.click_through(pages.find(f".readonly a[href$='/pool/pool/{requests.pk}/change/']"))
    assert pages.find("[name=name]").get_attribute("value") == "shop"


def test_what_went_wrong_is_told_apart_in_the_list(pages, requests):
    pages.open("analytics/requestrecord/")
    assert len(pages.driver.find_elements("css selector", "#result_list tbody tr")) == 31
    pages.open("analytics/requestrecord/?wrong=yes")
    assert "/checkout/" in pages.text
    assert "/cart/" not in pages.text
