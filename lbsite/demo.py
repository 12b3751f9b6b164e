"""A small backend for trying things out: answers every request with its own name.

python -m lbsite.demo NAME HOST PORT
"""

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class DemoHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    # A response goes out as one packet, without waiting for an acknowledgement first.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "DemoServer"

    def _answer(self) -> None:
        if not self._skip_body():
            return
        body = f"{self.server.backend_name}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # Named by the base class, which looks for do_ and the method.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def _skip_body(self) -> bool:
        """Read what belongs to this request, so that the next one starts where it should."""
        try:
            if "Transfer-Encoding" in self.headers:
                self._skip_chunks()
            else:
                self._skip(int(self.headers.get("Content-Length", "0")))
        except ValueError:
            self.send_error(400)
            return False
        return True

    def _skip_chunks(self) -> None:
        while size := int(self.rfile.readline(1024).partition(b";")[0], 16):
            self._skip(size + len("\r\n"))
        while self.rfile.readline(65536).strip():
            pass  # trailers

    def _skip(self, length: int) -> None:
        while length > 0 and (part := self.rfile.read(min(length, 65536))):
            length -= len(part)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: the edge counts the requests."""


class DemoServer(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, backend_name: str, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.backend_name = backend_name
        super().__init__((host, port), DemoHandler)


def main() -> None:
    name, host, port = sys.argv[1:]
    DemoServer(name, host, int(port)).serve_forever()


if __name__ == "__main__":
    main()
