"""An operator sets up a channel and tries it before relying on it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from pool.models import AlertChannel
from tests.browser.pages import AdminPages


@pytest.fixture
def receiver(settings: Any) -> Iterator[tuple[str, list[Any]]]:
    """Its URL and the messages that came."""
    settings.LB_ALERT_INTERNAL = True
    messages: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(202)
            self.end_headers()
            self.wfile.write(b"queued as 7")

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", messages
    server.shutdown()
    server.server_close()


def test_a_channel_is_made_and_tried(pages: AdminPages, receiver) -> None:
    url, messages = receiver
    pages.open("pool/alertchannel/add/")
    pages.fill("name", "pager")
    pages.choose("kind", "E-mail")
    pages.wait(lambda: pages.shows("recipients") and not pages.shows("signing_secret"))
    pages.choose("kind", "Webhook")
    pages.wait(lambda: pages.shows("signing_secret"))
    pages.fill("url", url)
    pages.fill("signing_secret", "a-secret-nobody-may-see")
    pages.save("_continue")
    assert "a-secret-nobody-may-see" not in pages.driver.page_source

    pages.click(pages.link("Send a test"))
    pages.wait(lambda: "Send a test message?" in pages.find("#dialog").text)
    pages.wait(pages.find("#dialog form [type=submit]").is_displayed)
    pages.click_through(pages.find("#dialog form [type=submit]"))
    pages.wait(lambda: "The test message was delivered: status 202" in pages.text)
    assert "It said: queued as 7" in pages.text
    assert "Latest messages" in pages.text
    (message,) = messages
    assert message["status"] == "test"
    channel = AlertChannel.objects.get()
    assert message["link"] == f"{pages.url}/admin/pool/alertchannel/{channel.pk}/change/"
