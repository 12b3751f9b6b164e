"""An operator forces a backend's circuit open, and resets it."""

from pool.circuits.events import write_happenings
from pool.models import Backend, Event, Pool
from tests.browser.pages import AdminPages


def test_a_circuit_is_opened_and_reset_in_dialogs(pages: AdminPages, redis_client) -> None:
    backend = Backend.objects.create(
        pool=Pool.objects.create(name="web"), name="a", url="http://a:80"
    )

    def order(verb: str) -> None:
        pages.click(pages.link("Circuit"))
        entry = pages.find(f"a[hx-get$='/{verb}_circuit/']")
        pages.wait(entry.is_displayed)
        entry.click()
        pages.wait(lambda: "the circuit?" in pages.find("#dialog").text)
        pages.wait(pages.find("#dialog form [type=submit]").is_displayed)
        pages.click_through(pages.find("#dialog form [type=submit]"))

    pages.open(f"pool/backend/{backend.pk}/change/")
    assert "Nothing has failed." in pages.text
    order("open")
    pages.wait(lambda: "The circuit of web/a is forced open." in pages.text)
    assert "forced open by olga" in pages.text
    order("reset")
    pages.wait(lambda: "The circuit of web/a is closed." in pages.text)
    write_happenings(redis_client)
    events = (
        Event.objects.filter(kind__startswith="circuit").order_by("at").values_list("kind", "actor")
    )
    assert list(events) == [("circuit_opened", "olga"), ("circuit_closed", "olga")]
