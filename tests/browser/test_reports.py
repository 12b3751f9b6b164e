"""The charts of the reports, drawn from what was counted, in a real browser."""

import time
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from analytics import store
from pool.models import Backend, Pool, Revision
from tests.analytics.conftest import make_batch, make_row

REPORT = "analytics/trafficrollup/"
ANSWERED, FAILED = 40, 2  # requests of each minute
DRAWN = ("traffic", "latency", "heatmap", "errors", "share")
DATA = "return document.querySelector(`#panel-${arguments[0]} .lb-plot`)?.data?.length"
RANGE = """
const { range } = document.querySelector(`#panel-${arguments[0]} .lb-plot`).layout.xaxis;
return range.map(end => Date.parse(`${end.replace(' ', 'T')}Z`));
"""
COUNTS = """
return Object.fromEntries(document.querySelector('#panel-traffic .lb-plot').data.map(
    trace => [trace.name, trace.customdata.reduce((sum, count) => sum + count, 0)]))
"""
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def web(transactional_db, redis_client):
    pool = Pool.objects.create(name="web")
    for name in ("a", "b"):
        Backend.objects.create(pool=pool, name=name, url=f"http://{name}:80")
    return pool


def count(backend, at, answered=ANSWERED, failed=FAILED):
    durations = [1000 * (number + 1) for number in range(answered + failed)]
    row = make_row(
        durations,
        pool="web",
        backend=backend.name,
        backend_id=backend.pk,
        status_2xx=answered,
        status_5xx=failed,
        errors=failed,
        connect_errors=failed,
    )
    store.add([make_batch(row, at=at)], timezone.now())


@pytest.fixture
def half_an_hour(web):
    """Traffic of each of the last thirty minutes."""
    now = int(time.time())
    for minute in range(30):
        for backend in web.backends.all():
            count(backend, now - 60 * minute - 30)


@pytest.fixture
def report(pages):
    """Opens the page, and waits until it has loaded."""

    def open_report(query=""):
        pages.open(REPORT + query)
        pages.wait(lambda: is_loaded(pages))
        return pages

    return open_report


def is_loaded(pages):
    busy = pages.driver.find_elements(By.CSS_SELECTOR, "[data-panel][aria-busy=true]")
    return not busy and pages.find("#report-span").text


def drag(pages, panel, start, end):
    """Over a part of a chart, from its left end 0 to its right end 1."""
    area = pages.find(f"#panel-{panel} .nsewdrag")
    pages.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", area)
    width = area.rect["width"]
    moves = ActionChains(pages.driver).move_to_element_with_offset(area, width * (start - 0.5), 0)
    moves.click_and_hold().move_by_offset(width * (end - start), 0).release().perform()


def test_charts_and_tables_show_what_was_counted(report, half_an_hour):
    pages = report("?period=1h")
    for panel in DRAWN:
        assert pages.driver.execute_script(DATA, panel), panel
    assert pages.driver.execute_script(COUNTS) == {"2xx": 60 * ANSWERED, "5xx": 60 * FAILED}
    pages.click(pages.find("#panel-errors summary"))
    pages.wait(lambda: pages.driver.find_elements(By.CSS_SELECTOR, "#panel-errors table"))
    rows = [row.text for row in pages.driver.find_elements(By.CSS_SELECTOR, "#panel-errors tr")]
    assert rows[:4] == [
        "Backend Answers of 500 or more Part of all No connection",
        "All of them 120 4.76% 120",
        "web/a 60 4.76% 60",
        "web/b 60 4.76% 60",
    ]


def test_a_mark_tells_what_was_changed_and_leads_to_the_revision(report, web, half_an_hour):
    backend = web.backends.get(name="a")
    backend.weight = 7
    backend.save()
    newest = Revision.objects.latest("number")
    pages = report()
    for box in pages.driver.find_elements(By.CSS_SELECTOR, "#report-marks input"):
        if box.get_attribute("value") != "configuration":
            pages.click(box)
    lane = "#panel-latency .lb-lane button:last-of-type"
    wanted = f"Revision {newest.number}"
    pages.wait(lambda: wanted in pages.find(lane).get_attribute("title"))
    pages.click(pages.find(lane))
    pages.wait(lambda: f"Revision {newest.number}" in pages.find("#mark").text)
    assert "backend web/a changed: weight 1 → 7" in pages.find("#mark").text
    pages.click_through(pages.link(f"Revision {newest.number}"))
    assert pages.driver.current_url.endswith(f"/pool/revision/{newest.pk}/change/")


def test_dragging_over_a_chart_narrows_all_of_them_and_the_address_says_so(report, half_an_hour):
    pages = report("?period=1h")
    before = pages.driver.execute_script(RANGE, "latency")
    drag(pages, "traffic", 0.5, 0.75)
    pages.wait(lambda: "from=" in pages.driver.current_url and "to=" in pages.driver.current_url)
    pages.wait(lambda: pages.driver.execute_script(RANGE, "latency") != before)
    pages.wait(lambda: is_loaded(pages))
    ranges = {tuple(pages.driver.execute_script(RANGE, panel)) for panel in DRAWN[:-1]}
    ((start, end),) = ranges
    assert 14 * 60 <= (end - start) / 1000 <= 18 * 60
    shared = pages.driver.current_url

    pages.driver.back()
    pages.wait(lambda: pages.driver.current_url.endswith("?period=1h"))
    pages.wait(lambda: not pages.find("#report-reset").is_displayed())

    pages.driver.get(shared)
    pages.wait(lambda: is_loaded(pages))
    assert pages.driver.execute_script(RANGE, "errors") == [start, end]
    pages.click(pages.find("#report-reset"))
    pages.wait(lambda: "from=" not in pages.driver.current_url)


@pytest.fixture
def in_kolkata(driver):
    """Whose clocks are 5 hours and a half ahead all year."""
    driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
    yield
    driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_times_are_those_of_the_viewer(in_kolkata, report, half_an_hour):
    ahead = 5.5 * 3600
    pages = report("?period=1h")
    now = time.time()
    start, end = pages.driver.execute_script(RANGE, "traffic")
    assert start / 1000 == pytest.approx(now - 3600 + ahead, abs=120)
    assert end / 1000 == pytest.approx(now + ahead, abs=120)
    assert "UTC+5:30" in pages.find("#report-span").text
    drag(pages, "traffic", 0.5, 0.75)
    pages.wait(lambda: "from=" in pages.driver.current_url)
    asked = parse_qs(urlsplit(pages.driver.current_url).query)
    since = datetime.fromisoformat(asked["from"][0]).timestamp()
    assert since == pytest.approx(now - 1800, abs=180)
    pages.click(pages.find(".lb-exact summary"))
    typed = pages.find("[name=from]").get_attribute("value")
    assert datetime.fromisoformat(f"{typed}+05:30").timestamp() == since


def test_a_range_is_typed(report, half_an_hour):
    pages = report("?from=2026-01-02T10:00:00%2B02:00&to=2026-01-02T09:00:00Z")
    pages.click(pages.find(".lb-exact summary"))
    start, end = pages.find("[name=from]"), pages.find("[name=to]")
    assert start.get_attribute("value").startswith("2026-01-02T08:00")
    assert end.get_attribute("value").startswith("2026-01-02T09:00")
    later = "arguments[0].value = '2026-01-02T08:30:10'"
    pages.driver.execute_script(later, start)
    pages.click(pages.find(".lb-exact button"))
    pages.wait(lambda: "from=2026-01-02T08%3A30%3A10Z" in pages.driver.current_url)


@pytest.fixture
def in_berlin(driver):
    """Whose clocks are 2 hours ahead in summer and 1 in winter."""
    driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Europe/Berlin"})
    yield
    driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


@pytest.mark.parametrize(("day", "hour"), [("2026-01-20", 11), ("2026-07-20", 10)])
def test_what_is_typed_is_read_by_the_clocks_of_its_own_day(in_berlin, report, day, hour):
    pages = report("?period=1h")
    pages.click(pages.find(".lb-exact summary"))
    fill(pages, "from", f"{day}T12:00:00")
    fill(pages, "to", f"{day}T12:30:00")
    pages.click(pages.find(".lb-exact button"))
    pages.wait(lambda: f"from={day}T{hour}%3A00%3A00Z" in pages.driver.current_url)
    assert f"to={day}T{hour}%3A30%3A00Z" in pages.driver.current_url
    assert typed(pages, "from").startswith(f"{day}T12:00")
    assert typed(pages, "to").startswith(f"{day}T12:30")


def test_a_year_that_nobody_means_is_not_asked_for(report):
    pages = report("?period=1h")
    pages.click(pages.find(".lb-exact summary"))
    fill(pages, "from", "12026-01-01T00:00:00")
    pages.click(pages.find(".lb-exact button"))
    invalid = "return arguments[0].validity.rangeOverflow"
    assert pages.driver.execute_script(invalid, pages.find("[name=from]"))
    assert pages.driver.current_url.endswith("?period=1h")


def test_what_is_being_typed_outlasts_a_refresh(report, half_an_hour):
    pages = report("?period=5m")
    pages.click(pages.find(".lb-exact summary"))
    fill(pages, "from", "2026-01-02T08:00:00")
    before = pages.find("#report-span").text
    pages.wait(lambda: pages.find("#report-span").text != before)
    assert typed(pages, "from").startswith("2026-01-02T08:00")


def fill(pages, name, text):
    field = pages.find(f"[name={name}]")
    pages.driver.execute_script("arguments[0].value = arguments[1]", field, text)


def typed(pages, name):
    return pages.find(f"[name={name}]").get_attribute("value")


def test_a_period_and_a_pool_are_chosen(report, web, half_an_hour):
    pages = report()
    pages.click(pages.find("[data-period='6h']"))
    pages.wait(lambda: pages.driver.current_url.endswith("?period=6h"))
    pages.choose("pool", "web")
    pages.wait(lambda: "pool=web" in pages.driver.current_url)
    pages.wait(lambda: is_loaded(pages))
    assert "period=6h" in pages.driver.current_url
    pages.choose("backend", "b")
    pages.wait(lambda: "backend=b" in pages.driver.current_url)
    pages.wait(lambda: is_loaded(pages))
    assert pages.driver.execute_script(COUNTS) == {"2xx": 30 * ANSWERED, "5xx": 30 * FAILED}


def test_latency_is_told_of_the_part_of_the_time_that_is_chosen(report, half_an_hour):
    pages = report()
    assert pages.driver.execute_script(DATA, "latency") == 4
    pages.choose("kind", "In the queue for a backend")
    pages.wait(lambda: "No request was timed" in pages.find("#panel-latency").text)
    assert "kind=queue" in pages.driver.current_url
    pages.wait(lambda: is_loaded(pages))
    assert pages.find("#panel-traffic .lb-plot").is_displayed()


def test_a_series_is_taken_out_of_its_chart_and_put_back(report, half_an_hour):
    pages = report()
    (errors,) = (
        entry
        for entry in pages.driver.find_elements(By.CSS_SELECTOR, "#panel-traffic .lb-legend button")
        if entry.text == "5xx"
    )
    pages.click(errors)
    pages.wait(lambda: set(pages.driver.execute_script(COUNTS)) == {"2xx"})
    pages.click(pages.find("#panel-traffic .lb-legend [aria-pressed=false]"))
    pages.wait(lambda: set(pages.driver.execute_script(COUNTS)) == {"2xx", "5xx"})


def test_colours_follow_the_switch_to_dark(report, half_an_hour):
    pages = report()
    font = "return document.querySelector('#panel-traffic .lb-plot').layout.font.color"
    light = pages.driver.execute_script(font)
    pages.driver.execute_script("document.documentElement.classList.replace('light', 'dark')")
    pages.driver.execute_script("document.documentElement.classList.add('dark')")
    pages.wait(lambda: pages.driver.execute_script(font) != light)


def test_charts_are_as_wide_as_the_window_allows_and_do_not_vanish_meanwhile(report, half_an_hour):
    pages = report()
    sizes = """
    return [...document.querySelectorAll('.lb-plot')].filter(plot => plot.clientWidth).map(
        plot => [plot.clientWidth, plot.querySelector('.main-svg').clientWidth, plot.clientHeight])
    """
    before = pages.driver.execute_script(sizes)
    seen = """
    window.least = Infinity;
    const plot = document.querySelector('#panel-traffic .lb-plot');
    const note = () => { window.least = Math.min(window.least, plot.clientHeight) };
    new ResizeObserver(note).observe(plot);
    """
    pages.driver.execute_script(seen)
    try:
        pages.driver.set_window_size(1100, 1000)
        pages.wait(lambda: pages.driver.execute_script(sizes) != before)
        pages.wait(
            lambda: all(width == drawn for width, drawn, _ in pages.driver.execute_script(sizes))
        )
        assert pages.driver.execute_script("return window.least") > 200
    finally:
        pages.driver.set_window_size(1400, 1000)


def test_it_fits_a_phone(report, half_an_hour):
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver = report().driver
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        pages = report()
        for summary in driver.find_elements(By.CSS_SELECTOR, "#report summary"):
            if summary.is_displayed():
                pages.click(summary)
        assert driver.execute_script("return innerWidth") == 390
        assert driver.execute_script(OVERFLOW) == 0
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_an_empty_database_is_told_in_words(report, redis_client):
    pages = report("?period=all")
    assert "No request was answered in this time." in pages.find("#panel-traffic").text
    assert "Nothing went wrong in this time." in pages.find("#panel-errors").text
    shown = pages.driver.find_elements(By.CSS_SELECTOR, ".lb-plot, .lb-lane")
    assert not [part for part in shown if part.is_displayed()]


def test_one_request_is_drawn(report, web):
    count(web.backends.get(name="a"), int(time.time()) - 30, answered=1, failed=0)
    pages = report("?period=5m")
    assert pages.driver.execute_script(COUNTS) == {"2xx": 1}
    assert pages.driver.execute_script(DATA, "heatmap") == 1


def test_it_keeps_itself_up_to_date_until_it_is_paused(report, web):
    pages = report("?period=5m")
    pages.click(pages.find("#report-pause"))
    count(web.backends.get(name="a"), int(time.time()) - 30)
    assert pages.find("#report-pause").text.endswith("Go on")
    time.sleep(6)  # of five minutes it would have shown news every five seconds
    assert "No request was answered" in pages.find("#panel-traffic").text
    pages.click(pages.find("#report-pause"))
    pages.wait(lambda: pages.driver.execute_script(DATA, "traffic"))


def test_what_is_wrong_with_a_range_is_told_in_words(report, web, pages):
    pages.open(f"{REPORT}?from=2026-01-02&to=2026-01-01")
    pages.wait(lambda: "not before the end" in pages.find("#panel-traffic .lb-words").text)
    assert pages.find("#report-span").text.startswith("from: ")
    assert not pages.find("#panel-traffic .lb-plot").is_displayed()


def test_charts_are_drawn_for_who_may_not_see_events(report, operator, half_an_hour):
    operator.is_superuser = False
    operator.save()
    operator.user_permissions.add(Permission.objects.get(codename="view_trafficrollup"))
    pages = report()
    assert pages.driver.execute_script(DATA, "traffic")
    assert not pages.driver.find_elements(By.CSS_SELECTOR, ".lb-lane button")
    assert "You lack the right" in pages.find("#report-marks").text


def test_it_asks_no_other_host_for_anything(report, half_an_hour):
    pages = report()
    loaded = pages.driver.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert [url for url in loaded if not url.startswith((pages.url, "data:"))] == []
