"""A request as the caller has given it, to be prepared for each host that it is tried on.

Each host gets what is meant for it (cookies of its domain, its netrc entry, a signature
over its URL), and all get the same body, which is encoded once.
"""

from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from proxy.client.body import Body


class Outgoing:
    """`data`, `files` and `json` as in `requests`; so are the other `options` of a Request."""

    def __init__(
        self,
        session: requests.Session,
        method: str,
        *,
        headers: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        **options: Any,
    ) -> None:
        self._session = session
        self.method = method.upper()
        self._options = options
        given = CaseInsensitiveDict(headers or {})
        self._headers = given
        encoded = requests.PreparedRequest()
        encoded.headers = CaseInsensitiveDict({**session.headers, **given})
        encoded.prepare_body(data or [], files or [], json)
        self.body = Body(encoded.body)
        if "Content-Type" in encoded.headers:
            given.setdefault("Content-Type", encoded.headers["Content-Type"])

    def prepare(self, url: str) -> requests.PreparedRequest:
        return self._session.prepare_request(
            requests.Request(
                self.method,
                url,
                headers=self._headers,
                data=self.body.content,
                **self._options,
            )
        )
