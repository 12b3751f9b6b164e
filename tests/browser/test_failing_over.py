"""An operator moves a pool's traffic to its backups, and back."""

from selenium.webdriver.common.by import By

from pool.models import Backend, Event, Pool
from tests.browser.pages import AdminPages


def test_traffic_is_moved_in_a_dialog_and_the_page_tells(pages: AdminPages) -> None:
    pool = Pool.objects.create(name="web")
    for tier, name in enumerate(("a", "backup")):
        Backend.objects.create(pool=pool, name=name, url=f"http://{name}:80", tier=tier)

    def label(text: str) -> bool:
        """Labels are shown in capitals."""
        return text.upper() in pages.find("body").text.upper()

    def ask(verb: str) -> None:
        pages.click(pages.find("a[x-on\\:click*='actionDropdownOpen']"))
        entry = pages.find(f"a[hx-get$='/{verb}/']")
        pages.wait(entry.is_displayed)
        entry.click()
        pages.wait(lambda: pages.driver.find_elements(By.CSS_SELECTOR, "#dialog form"))
        pages.wait(pages.find("#dialog form [type=submit]").is_displayed)

    pages.open(f"pool/pool/{pool.pk}/change/")
    pages.click(pages.tab("Failover"))
    pages.wait(lambda: label("tier 0: 100 %, 1 of 1 well"))

    ask("fail_over")
    pages.choose("tier", "Tier 1: 1 of 1 backends well")
    pages.click_through(pages.find("#dialog form [type=submit]"))
    pages.wait(lambda: label("web: tier 1 serves."))
    pages.click(pages.tab("Failover"))
    pages.wait(lambda: label("held from tier 1 on, by an operator"))

    ask("fail_back")
    pages.click_through(pages.find("#dialog form [type=submit]"))
    pages.wait(lambda: label("web: tier 0 serves."))
    moves = Event.objects.filter(kind__in=["failover", "failback"])
    assert [move.actor for move in moves] == ["olga", "olga"]
