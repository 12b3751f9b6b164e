"""Who is at the other end of a client's connection, as its backends are told."""

from asyncio import Transport
from collections.abc import Callable

from proxy.core.client import plain
from proxy.core.forward import Peer


def peer_of(transport: Transport, trusts: Callable[[str], bool]) -> Peer:
    """`trusts`: whether an address is a proxy of the operator's. So is all on a unix socket.

    Of a client that has reset its TCP connection already nobody can say who it was, and yet
    what it sent before is there to be read: it is nobody's that is trusted.
    """
    peer = transport.get_extra_info("peername")
    local = transport.get_extra_info("sockname")
    tls = transport.get_extra_info("ssl_object") is not None
    address = plain(peer[0]) if isinstance(peer, tuple) else ""
    return Peer(
        address=address.encode("ascii"),
        scheme=b"https" if tls else b"http",
        local_authority=_authority(local) if isinstance(local, tuple) else b"localhost",
        trusted=trusts(address) if address else not isinstance(local, tuple),
    )


def _authority(socket_name: tuple[str, int]) -> bytes:
    host = plain(socket_name[0])
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{socket_name[1]}".encode("ascii")
