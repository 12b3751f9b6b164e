"""One WSGI request, forwarded: prepared as on the edge, tried over `requests`."""

from collections.abc import Iterator
from http import HTTPStatus
from time import time
from typing import Any, NamedTuple

import requests
from urllib3.exceptions import HTTPError

from proxy.client.body import Body
from proxy.client.failures import failure_of
from proxy.client.relay import Ending
from proxy.client.tries import Tries
from proxy.core.answers import error_answer
from proxy.core.backend import Backend
from proxy.core.configuration import Configuration
from proxy.core.exchange import Exchange
from proxy.core.forward import Peer
from proxy.core.head.message import HEAD_END
from proxy.core.head.response import ResponseHead, parse_response_head
from proxy.core.routing import Route
from proxy.engine.prepared import Prepared, prepare
from proxy.engine.settings import EdgeSettings
from proxy.errors import BadResponse, NoBackend, NoRoute, ProxyError
from proxy.gateway.account import Account
from proxy.gateway.counting import Counting
from proxy.gateway.incoming import Environ, peer, raw_head, read_body
from proxy.gateway.published import Published
from proxy.gateway.transport import Transport

PIECE = 65536  # bytes


class Relay:
    """A response as it is passed on: its head, and the body piece by piece, as it comes."""

    def __init__(
        self, head: ResponseHead, response: requests.Response, ending: Ending, account: Account
    ) -> None:
        self.head = head
        self._response = response
        self._ending = ending
        self._account = account

    def __iter__(self) -> Iterator[bytes]:
        raw: Any = self._response.raw
        # The head goes out before the body's first byte, as streams need it; and what breaks
        # off before that byte is no fault of this application's: gunicorn would answer 500.
        yield b""
        try:
            while piece := raw.read1(PIECE, decode_content=False):
                self._account.bytes_out += len(piece)
                yield piece
        except HTTPError as error:
            self._ending.cut(failure_of(error))
            self._account.cut(self.head.status)
            raise  # so that the web server breaks off as well, and it does not look complete
        self._ending.done()
        self._account.ended(self.head.status)

    def close(self) -> None:
        """Called by the web server in any case."""
        self._response.close()
        self._ending.done()
        self._account.abandoned()


class Refusal(NamedTuple):
    """An answer that no backend has made."""

    head: ResponseHead
    body: bytes


class Gateway:
    def __init__(
        self,
        published: Published,
        settings: EdgeSettings,
        secret_cookies: frozenset[str],
        counting: Counting,
    ) -> None:
        self._published = published
        self._counting = counting
        self._settings = settings
        self._limits = settings.head_limits
        self._secret_cookies = secret_cookies
        self._transport = Transport()

    def forward(self, environ: Environ) -> Relay | Refusal:
        configuration = self._published.configuration
        client = peer(environ, self._settings.trusts)
        account = Account(self._counting, configuration, client.address)
        try:
            return self._forward(configuration, environ, client, account)
        except ProxyError as error:
            refusal = refuse(error, environ, account.request_id)
            account.bytes_out = len(refusal.body)
            account.answered(error)
            return refusal

    def _forward(
        self, configuration: Configuration, environ: Environ, client: Peer, account: Account
    ) -> Relay:
        head = raw_head(environ, self._secret_cookies)
        prepared = prepare(head, configuration, client, self._limits, self._settings.trusts)
        account.begin(prepared)
        if prepared.route is None and not configuration.snapshot.number:
            raise NoBackend("No configuration has been read yet.")
        if prepared.route is None:
            raise NoRoute("No pool has this name.")
        return self._relay(prepared, prepared.route, environ, account)

    def _relay(self, prepared: Prepared, route: Route, environ: Environ, account: Account) -> Relay:
        pool, head = route.pool, prepared.head
        content = read_body(
            environ,
            head.content_length,
            chunked=head.chunked,
            limit=pool.spec.limits.max_body,
            received=account.received,
        )
        body = Body(content)
        claim = prepared.claim
        exchange = Exchange(
            pool, prepared.idempotent, prepared.key, claim.preferred if claim else None
        )
        account.exchange = exchange
        heads: dict[requests.Response, tuple[ResponseHead, Backend]] = {}

        def send(backend: Backend) -> requests.Response:
            account.begin_try(backend)
            sent = (prepared.prefix or prepared.prefix_for(backend)) + account.request_id
            response = self._transport.send(backend, pool.spec, sent, body.content)
            account.responded()
            heads[response] = _head_of(response), backend
            return response

        tries = Tries(self._published.decisions, exchange, body, send, stream=True)
        try:
            response = tries.run()
        except NoBackend as error:
            if tries.last is None:
                raise exchange.answer(error) from None
            response = tries.last
        except requests.RequestException as error:
            raise exchange.answer(failure_of(error)) from error
        told, backend = heads[response]
        rules = claim.response_rules(backend) if claim else route.response_rules
        told.headers = rules.apply(told.headers)
        if route.tells_id:
            told.headers = [*told.headers, (b"X-Request-Id", account.request_id)]
        return Relay(told, response, tries.ending, account)


def _head_of(response: requests.Response) -> ResponseHead:
    """Read as strictly as on the edge; BadResponse."""
    raw: Any = response.raw
    lines = [f"HTTP/1.{raw.version % 10} {raw.status} {raw.reason or ''}"]
    lines += [f"{name}: {value}" for name, value in raw.headers.iteritems()]
    try:
        head = parse_response_head("\r\n".join(lines).encode("latin-1") + HEAD_END)
        if head.status < HTTPStatus.OK:
            raise BadResponse("An interim response in the place of a final one.")
    except ProxyError:
        response.close()
        raise
    return head


def refuse(error: ProxyError, environ: Environ, request_id: bytes) -> Refusal:
    """What the client is told of `error`, as by the edge."""
    raw = error_answer(
        error,
        now=time(),
        close=False,
        accept=environ.get("HTTP_ACCEPT", "").encode("latin-1"),
        head_only=environ["REQUEST_METHOD"] == "HEAD",
        request_id=request_id,
    )
    head, end, body = raw.partition(HEAD_END)
    return Refusal(parse_response_head(head + end), body)
