"""Redirects: followed to where they lead, by the rules of `requests`.

They are no tries: what happens behind one says nothing of the host that sent it.
"""

from collections.abc import Callable

import requests
from requests.cookies import RequestsCookieJar

Send = Callable[[requests.PreparedRequest], requests.Response]


def follow(session: requests.Session, response: requests.Response, send: Send) -> requests.Response:
    """The first response that is no redirect, with the others as its `history`."""
    history: list[requests.Response] = []
    while (request := response.next) is not None:
        if len(history) >= session.max_redirects:
            raise requests.TooManyRedirects(
                f"Exceeded {session.max_redirects} redirects.", response=response
            )
        response.content  # noqa: B018 - so that the connection can be used again
        response.close()
        history.append(response)
        if session.should_strip_auth(response.url, request.url):  # type: ignore[no-untyped-call]
            _keep_secrets(session, request)
        response = send(request)
    response.history = history
    return response


def _keep_secrets(session: requests.Session, request: requests.PreparedRequest) -> None:
    """Another host gets the cookies that it has set itself, and no credentials.

    `requests` would send it those that were given with the request, which name no domain.
    """
    for name in ("Authorization", "Proxy-Authorization", "Cookie"):
        request.headers.pop(name, None)
    own = RequestsCookieJar()
    for cookie in session.cookies:
        if cookie.domain:
            own.set_cookie(cookie)
    request.prepare_cookies(own)
