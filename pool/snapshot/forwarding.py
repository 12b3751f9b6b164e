"""How a message is passed on: headers, time-outs, TLS."""

from pool.choices import HeaderAction
from pool.snapshot.spec import Spec


class HeaderRule(Spec, frozen=True):
    """One change to a message's header; rules are applied in their order."""

    action: HeaderAction
    name: str
    value: str = ""


class HeaderPolicy(Spec, frozen=True):
    """`host`: "" passes the client's Host on, "backend" sends the backend's own, else literal."""

    host: str = ""
    forwarded: bool = False  # also RFC 7239's Forwarded, beside X-Forwarded-*
    request_id: bool = False  # clients are told it as well
    request_rules: tuple[HeaderRule, ...] = ()
    response_rules: tuple[HeaderRule, ...] = ()


class TimeoutPolicy(Spec, frozen=True):
    """Seconds. `response`: until the response's head; `idle`: between two reads or writes."""

    connect: float = 5.0
    response: float = 60.0
    idle: float = 60.0
    request: float = 0.0  # for the whole of a request, all tries and both bodies; 0: no limit


class TlsPolicy(Spec, frozen=True):
    """For https backends. `ca`: PEM certificates to trust in place of the system's."""

    verify: bool = True
    ca: str = ""
    server_name: str = ""  # for SNI and verification; "": the host of the backend's URL
