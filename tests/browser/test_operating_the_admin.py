"""What an operator does in the admin, in a real browser against a real server."""

import time

import msgspec
import pytest
from selenium.webdriver.common.by import By

from pool.bus import EDGES_KEY, SNAPSHOT_KEY
from pool.models import Backend, Event, Pool, Revision
from pool.publish import publish
from pool.snapshot import decode
from tests.edge_reports import edge_report


@pytest.fixture
def web(transactional_db, redis_client):
    pool = Pool.objects.create(name="web")
    for name, weight in (("a", 1), ("b", 1), ("c", 1)):
        Backend.objects.create(pool=pool, name=name, url=f"http://{name}:80", weight=weight)
    return pool


@pytest.fixture
def published_weights(redis_client):
    """The weights that edges would read."""
    return lambda: {
        backend.name: backend.weight
        for pool in decode(redis_client.get(SNAPSHOT_KEY)).pools
        for backend in pool.backends
    }


def add_backend(pages, index, **fields):
    pages.click(pages.link("Add another"))
    pages.wait(lambda: pages.driver.find_elements(By.NAME, f"backends-{index}-url"))
    for name, value in fields.items():
        pages.fill(f"backends-{index}-{name}", value)


def row_of(pages, text):
    return next(
        row
        for row in pages.driver.find_elements(By.CSS_SELECTOR, "#result_list tbody tr")
        if text in row.text
    )


def test_a_person_logs_in_and_sees_the_overview(guest_pages, operator, redis_client):
    guest_pages.open("")
    guest_pages.fill("username", "olga")
    guest_pages.fill("password", "correct horse battery staple")
    guest_pages.click_through(guest_pages.find("button[type=submit]"))
    assert guest_pages.driver.title.strip() == "Overview | lbsite"
    assert "Backends available" in guest_pages.text


def test_a_pool_is_made_with_its_backends(pages, published_weights):
    pages.open("pool/pool/add/")
    pages.fill("name", "shop")
    pages.choose("algorithm", "Round robin")
    add_backend(pages, 0, url="http://10.0.0.1:8080", weight="5")
    add_backend(pages, 1, name="second", url="http://10.0.0.2:8080")
    pages.save()
    assert "was added successfully" in pages.text
    assert published_weights() == {"10.0.0.1-8080": 5, "second": 1}


def test_changed_weights_reach_the_edges_when_they_are_saved(pages, web, published_weights):
    pages.open(f"pool/pool/{web.pk}/change/")
    pages.fill("backends-0-weight", "5")
    pages.save("_continue")
    assert published_weights() == {"a": 5, "b": 1, "c": 1}
    newest = Revision.objects.latest("number")
    assert newest.actor == "olga"
    assert newest.summary == "backend web/a changed: weight 1 → 5"


def test_a_backend_is_removed_from_its_pool(pages, web, published_weights):
    pages.open(f"pool/pool/{web.pk}/change/")
    checkbox = "input[name=backends-0-DELETE]"
    pages.click(pages.find(f"label:has({checkbox})"))
    pages.wait(lambda: pages.find(checkbox).is_selected())
    pages.save()
    assert published_weights() == {"b": 1, "c": 1}


def test_a_bad_url_is_told_at_the_field(pages, web):
    pages.open(f"pool/pool/{web.pk}/change/")
    pages.fill("backends-1-url", "ftp://b")
    pages.save()
    field = pages.find("td:has(> * [name=backends-1-url])")
    assert "Start with http:// or https://" in field.text
    assert Backend.objects.get(name="b").url == "http://b:80"


def test_an_error_opens_the_tab_that_it_is_on(pages, web):
    pages.open(f"pool/pool/{web.pk}/change/")
    pages.click(pages.link("Health checks"))
    pages.fill("health_timeout", "60")
    pages.save()
    pages.wait(lambda: "Must not be longer than the interval" in pages.text)


def test_a_setting_is_shown_while_it_matters(pages, web):
    pages.open(f"pool/pool/{web.pk}/change/")
    pages.click(pages.tab("Circuit breaker"))
    pages.wait(lambda: pages.shows("circuit_threshold") and not pages.shows("circuit_slow_call"))
    pages.choose("circuit_mode", "Slow ratio")
    pages.wait(lambda: pages.shows("circuit_slow_call") and not pages.shows("circuit_threshold"))
    pages.choose("circuit_mode", "Off")
    pages.wait(lambda: not pages.shows("circuit_open_time"))


def test_a_setting_with_an_error_is_shown_even_if_it_does_not_matter(pages, web):
    pages.open(f"pool/pool/{web.pk}/change/")
    pages.click(pages.tab("Circuit breaker"))
    pages.fill("circuit_threshold", "0")
    pages.choose("circuit_mode", "Off")
    pages.save()
    pages.wait(lambda: pages.shows("circuit_threshold") and not pages.shows("circuit_open_time"))


def test_header_rules_are_typed_and_bad_lines_told(pages, web):
    pages.open(f"pool/pool/{web.pk}/change/")
    pages.click(pages.link("Headers & TLS"))
    pages.fill("response_headers", "set X-Frame-Options: DENY\nset Connection: close")
    pages.save()
    pages.wait(lambda: "Line 2: Connection cannot be changed by a rule" in pages.text)
    pages.fill("response_headers", "set X-Frame-Options: DENY\nremove Server")
    pages.save("_continue")
    assert Revision.objects.latest("number").summary == (
        "pool web changed: headers.response_rules [] → "
        '["set X-Frame-Options: DENY","remove Server"]'
    )


def test_selected_backends_are_drained(pages, web):
    pages.open("pool/backend/")
    for name in ("a", "b"):
        pages.click(row_of(pages, f"http://{name}:80").find_element(By.NAME, "_selected_action"))
    pages.choose("action", "Drain selected backends")
    pages.click_through(pages.find("#changelist-form button[name=index]"))
    assert "web/a is draining, web/b is draining." in pages.text
    states = dict(Backend.objects.values_list("name", "admin_state"))
    assert states == {"a": "draining", "b": "draining", "c": "active"}
    assert set(Event.objects.values_list("actor", flat=True)) >= {"olga"}


def test_one_backend_is_drained_after_a_question(pages, web):
    pages.open(f"pool/backend/{web.backends.get(name='a').pk}/change/")
    pages.click(pages.link("State"))
    entry = pages.find("a[hx-get$='/drain/']")
    pages.wait(entry.is_displayed)
    entry.click()
    pages.wait(lambda: pages.find("#dialog").is_displayed())
    assert "Drain this backend?" in pages.find("#dialog").text
    pages.click_through(pages.find("#dialog button[type=submit]"))
    assert "web/a is draining." in pages.text
    assert Backend.objects.get(name="a").admin_state == "draining"


def test_a_revision_is_rolled_back(pages, web, published_weights):
    Backend.objects.get(name="a").save()
    first = publish()
    backend = Backend.objects.get(name="a")
    backend.weight = 9
    backend.save()
    assert published_weights()["a"] == 9
    pages.open(f"pool/revision/{first.pk}/change/")
    pages.click_through(pages.link("Roll back to this"))
    assert "Weight" in pages.text
    pages.click_through(pages.find("button[name=_rollback]"))
    assert f"The configuration is that of revision {first.number}." in pages.text
    assert published_weights()["a"] == 1


@pytest.mark.parametrize("path", ["", "pool/pool/", "pool/backend/add/", "pool/revision/edges/"])
def test_a_page_asks_no_other_host_for_anything(pages, web, path):
    pages.driver.get_log("browser")
    pages.open(path)
    loaded = pages.driver.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert loaded
    assert [url for url in loaded if not url.startswith((pages.url, "data:"))] == []
    assert [entry for entry in pages.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("path", ["", "pool/pool/", "pool/backend/", "pool/route/", "newest"])
def test_a_page_fits_a_phone(pages, web, path):
    pages.driver.set_window_size(500, 900)
    newest = Revision.objects.latest("number")
    try:
        pages.open(f"pool/revision/{newest.pk}/change/" if path == "newest" else path)
        width = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert pages.driver.execute_script(width) == 0
    finally:
        pages.driver.set_window_size(1400, 1000)


@pytest.mark.parametrize("size", [1280, 500])
def test_the_title_says_what_the_page_is_about(pages, web, operator, size):
    pages.driver.set_window_size(size, 900)
    shown = """
    const isWhole = part => part.clientWidth && part.scrollWidth <= part.clientWidth;
    const parts = [...document.querySelectorAll('#header-inner h1 > .truncate')];
    return parts.filter(isWhole).map(part => part.innerText);
    """
    try:
        for path, name in (
            (f"pool/backend/{web.backends.get(name='a').pk}/change/", "web/a"),
            (f"auth/user/{operator.pk}/change/", "olga"),
        ):
            pages.open(path)
            assert pages.driver.execute_script(shown)[-1] == name
    finally:
        pages.driver.set_window_size(1400, 1000)


def test_the_edges_page_keeps_itself_up_to_date(pages, web, redis_client):
    pages.open("pool/revision/edges/")
    assert "Nothing forwards traffic now" in pages.text
    report = edge_report(time.time(), snapshot_number=0)
    redis_client.hset(EDGES_KEY, "w", msgspec.json.encode(report))
    pages.wait(lambda: "edge-1" in pages.find("#edges").text)


def test_a_page_that_outlives_its_session_asks_to_log_in(pages, web):
    pages.open("pool/revision/edges/")
    pages.driver.delete_all_cookies()
    pages.wait(lambda: "/login/" in pages.driver.current_url)
