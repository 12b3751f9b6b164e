"""Who is at the other end of a client's connection, as its backends are told."""

from asyncio import Transport
from collections.abc import Callable

from proxy.core.client import plain
from proxy.core.forward import Peer


def peer_of(transport: Transport, trusts: Callable[[str], bool]) -> Peer:
    """`trusts`: whether an address is a proxy of the operator's. So is all on a unix socket."""
    peer = transport.get_extra_info("peername")
    local = transport.get_extra_info("sockname")
    tls = transport.get_extra_info("ssl_object") is not None
    address = plain(peer[0]) if isinstance(peer, tuple) else ""
    return Peer(
        address=address.encode("ascii"),
        scheme=b"https" if tls else b"http",
        local_authority=_authority(local) if isinstance(local, tuple) else b"localhost",
        trusted=not address or trusts(address),
    )


def _authority(socket_name: tuple[str, int]) -> bytes:
    host = plain(socket_name[0])
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{socket_name[1]}".encode("ascii")
