"""Requests that a signed debug header asks to have explained.

A class of its own, which a connection takes for such requests alone: no other
one pays for it.
"""

from functools import partial
from typing import TYPE_CHECKING

from proxy.core.balancing.base import NOTHING
from proxy.core.explain import PoolView, explain_pool
from proxy.core.explain_header import HEADER, explanation_header
from proxy.core.head.message import Headers
from proxy.core.head.response import ResponseHead
from proxy.core.rules import Then
from proxy.engine.prepared import Prepared
from proxy.engine.transaction import Transaction
from proxy.errors import ProxyError

if TYPE_CHECKING:
    from proxy.core.routing import Route
    from proxy.engine.downstream import ClientConnection

_NAME = HEADER.encode("ascii")


class ExplainedTransaction(Transaction):
    """Keeps what this worker saw when it chose, and sends it with the response's head."""

    _seen: PoolView | None = None

    def __init__(self, client: "ClientConnection", prepared: Prepared, route: "Route") -> None:
        super().__init__(client, prepared, route)
        # Asked for each request: its time may end while the connection is kept.
        self._asked = client.edge.may_explain(prepared.head)

    def start(self) -> None:
        if self._asked:
            exchange = self.exchange
            tried = NOTHING if exchange.tried is None else exchange.tried
            self._seen = explain_pool(exchange.pool, exchange.key, tried)
        super().start()

    def begin_response(self, head: ResponseHead, *, until_close: bool) -> None:
        super().begin_response(head, until_close=until_close)
        value = self._explanation()
        if value:
            self.response_rules = Then(self.response_rules, partial(_with_explanation, value))

    def give_up(self, error: ProxyError) -> None:
        value = self._explanation()
        if value:
            self.error_fields = f"{HEADER}: {value}\r\n"
        super().give_up(error)

    def _explanation(self) -> str:
        if self._seen is None:
            return ""
        exchange = self.exchange
        number = self.prepared.configuration.snapshot.number
        tried = exchange.tried or {}
        return explanation_header(
            number, self.route, self._seen, tried, exchange.backend, exchange.preferred
        )


def _with_explanation(value: str, headers: Headers) -> Headers:
    """A backend's own field of this name, an edge behind this one's perhaps, gives way."""
    others = [header for header in headers if header[0].lower() != _NAME.lower()]
    return [*others, (_NAME, value.encode("ascii"))]
