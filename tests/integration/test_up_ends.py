"""However `lb up` ends, it leaves no process behind, and running requests finish."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

SLOWNESS = 2.0  # seconds


class SlowHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.entered.append(self.path)
            time.sleep(SLOWNESS)  # a backend that is slow
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def slow_backend() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def product(
    make_product: Callable[[], Any], slow_backend: ThreadingHTTPServer, tmp_path: Path
) -> Any:
    slow_backend.entered = []
    config = tmp_path / "servers.json"
    config.write_text(f'[{{"url": "http://127.0.0.1:{slow_backend.server_port}"}}]')
    return make_product().start("--config", str(config)).wait_until_running()


_KEPT_FROM_HANGING_UP = pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="nohup keeps SIGHUP from all of this"
)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGINT, pytest.param(signal.SIGHUP, marks=_KEPT_FROM_HANGING_UP)],
)
def test_a_request_that_runs_finishes_and_no_process_is_left(
    product: Any, slow_backend: ThreadingHTTPServer, number: signal.Signals
) -> None:
    with ThreadPoolExecutor() as executor:
        request = executor.submit(product.get, "/slow")
        product.wait_until(lambda: slow_backend.entered, "the request at the backend")
        product.process.send_signal(number)
        assert request.result() == (200, "done")
    assert product.process.wait(60) == 0
    assert product.survivors() == []
    product.wait_until(lambda: product.lines[-1] == "Stopped.", "its last word")


def test_sigkill_leaves_no_process_either(product: Any, slow_backend: ThreadingHTTPServer) -> None:
    with ThreadPoolExecutor() as executor:
        request = executor.submit(product.get, "/slow")
        product.wait_until(lambda: slow_backend.entered, "the request at the backend")
        product.process.kill()
        assert request.result() == (200, "done")
    product.wait_until(lambda: not product.survivors(), "the others to end")


def test_the_folder_of_a_killed_up_can_be_used_again(product: Any) -> None:
    product.process.kill()
    product.wait_until(lambda: not product.survivors(), "the others to end")
    product.start().wait_until_running()
    assert "password" not in product.output
    assert product.get() == (200, "done")
