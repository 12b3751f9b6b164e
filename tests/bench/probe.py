"""Is something answering there?"""

import http.client


def answers(port: int, path: str) -> bool:
    """A 200 to one GET on loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
