"""Who is at the other end of a client's connection, as its backends are told."""

from asyncio import Transport
from collections.abc import Callable

from proxy.core.forward import Peer


def peer_of(transport: Transport, trusts: Callable[[str], bool]) -> Peer:
    """`trusts`: whether an address is a proxy of the operator's. So is all on a unix socket."""
    address = transport.get_extra_info("peername")
    local = transport.get_extra_info("sockname")
    tls = transport.get_extra_info("ssl_object") is not None
    return Peer(
        address=address[0].encode("ascii") if isinstance(address, tuple) else b"",
        scheme=b"https" if tls else b"http",
        local_authority=_authority(local) if isinstance(local, tuple) else b"localhost",
        trusted=trusts(address[0]) if isinstance(address, tuple) else True,
    )


def _authority(address: tuple[str, int]) -> bytes:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{host}:{address[1]}".encode("ascii")
