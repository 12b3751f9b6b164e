"""The page "Explain" in a real browser."""

import pytest

from pool.models import Backend, Pool, Route


@pytest.fixture
def shop(transactional_db, redis_client):
    pool = Pool.objects.create(name="shop")
    Backend.objects.create(pool=pool, name="a", url="http://a:80", weight=5)
    Backend.objects.create(pool=pool, name="b", url="http://b:80", admin_state="draining")
    Backend.objects.create(pool=pool, name="c", url="http://c:80", tier=1)
    Route.objects.create(pool=pool, host="*.shop.test")
    Route.objects.create(pool=pool)
    return pool


def ask(pages, **fields):
    pages.open("explain/")
    for name, value in fields.items():
        pages.fill(name, value)
    pages.click_through(pages.find("#question button[type=submit]"))


def test_a_person_asks_and_reads_why(pages, shop):
    ask(pages, host="www.shop.test", path="/cart?x=1", headers="Cookie: a=b")
    assert pages.find("#verdict").text == "It goes to a in shop: the only one that may serve."
    for part in ("DRAINING", "Tier 0 serves.", "less specific than *.shop.test"):
        assert part in pages.text
    assert pages.find("[name=host]").get_attribute("value") == "www.shop.test"


def test_a_bad_host_is_told_at_the_field(pages, shop):
    ask(pages, host="no host")
    assert "Give a host name" in pages.find("#question .errors").text


def test_it_is_reached_from_the_sidebar(pages, shop):
    pages.open("")
    pages.click_through(pages.link("Explain"))
    assert "X-LB-Debug: " in pages.find("#debug-header").text


def test_it_asks_no_other_host_for_anything(pages, shop):
    pages.driver.get_log("browser")
    ask(pages, host="www.shop.test")
    assert [entry for entry in pages.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_it_fits_a_phone(pages, shop):
    pages.driver.set_window_size(500, 900)
    try:
        ask(pages, host="www.shop.test")
        width = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert pages.driver.execute_script(width) == 0
    finally:
        pages.driver.set_window_size(1400, 1000)
