"""Is something answering there, and rightly?"""

import http.client

LARGE, LARGE_SIZE = "/large", 100 * 1024
SINK, SINK_SIZE = "/sink", 10 * 1024


def answers(port: int, path: str) -> bool:
    """A 200 to one GET on loopback."""
    try:
        return _ask(port, "GET", path)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def wrong_answer(port: int) -> str | None:
    """wrk looks at the status only; here bodies are counted, once for each system."""
    try:
        status, length = _ask(port, "GET", LARGE)
        if (status, length) != (200, LARGE_SIZE):
            return f"GET {LARGE}: status {status} and {length} bytes"
        status, _ = _ask(port, "POST", SINK, bytes(SINK_SIZE))
        return None if status == 200 else f"POST {SINK}: status {status}"
    except (OSError, http.client.HTTPException) as error:
        return f"wrong answer: {error!r}"


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, int]:
    """Status, and length of the body that came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, len(response.read())
    finally:
        connection.close()
