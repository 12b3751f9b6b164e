"""Round robin with the standard library: a thread and an upstream connection per client.

Arguments: port, workers.
"""

import signal
import sys
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.bench.balancers import preforked
from tests.bench.balancers.settings import end_to_end, round_robin

CHUNK = 64 * 1024

_backends = round_robin()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = CHUNK

    def setup(self) -> None:
        super().setup()
        self._upstreams: dict[str, HTTPConnection] = {}

    def finish(self) -> None:
        super().finish()
        for connection in self._upstreams.values():
            connection.close()

    def do_GET(self) -> None:
        response = self._ask(self._upstream())
        self.send_response_only(response.status, response.reason)
        for name, value in end_to_end(response.getheaders()):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        while chunk := response.read(CHUNK):
            self.wfile.write(chunk)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def _ask(self, connection: HTTPConnection) -> HTTPResponse:
        headers = dict(end_to_end(self.headers.items()))
        headers["X-Forwarded-For"] = self.client_address[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        try:
            connection.request(self.command, self.path, body, headers)
            return connection.getresponse()
        except HTTPException:
            connection.close()
            raise

    def _upstream(self) -> HTTPConnection:
        url = next(_backends)
        if url not in self._upstreams:
            self._upstreams[url] = HTTPConnection(urlsplit(url).netloc, timeout=60)
        return self._upstreams[url]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_port = True
    request_queue_size = 4096


def serve(port: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    preforked.run(int(sys.argv[2]), lambda: serve(int(sys.argv[1])))
