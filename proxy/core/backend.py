"""A backend as one worker sees it: its configuration and what is happening to it now."""

from pool.bus import HealthStatus
from pool.choices import AdminState, HealthState
from pool.snapshot import BackendSpec

_NO_LIMIT = 1 << 62


class Backend:
    """Live state of one backend. It outlives the snapshot that configured it.

    Policies ask `available()` and nothing else; everything that can take a
    backend out of the rotation for longer than a moment is in `eligible`.
    """

    __slots__ = ("_limit", "authority", "health", "id", "in_flight", "spec")

    def __init__(self, spec: BackendSpec) -> None:
        self.id = spec.id
        self.authority = _authority(spec.url)
        self.in_flight = 0
        self.health: HealthStatus | None = None  # None: no probe has spoken yet
        self.configure(spec)

    def configure(self, spec: BackendSpec) -> None:
        """Take a new configuration of the same server: the URL stays."""
        self.spec = spec
        self._limit = spec.max_connections or _NO_LIMIT

    @property
    def eligible(self) -> bool:
        """Whether new requests may go here at all."""
        return (
            self.spec.admin_state is AdminState.ACTIVE
            and self.spec.weight > 0
            and (self.health is None or self.health.state is not HealthState.UNHEALTHY)
        )

    def set_health(self, status: HealthStatus | None) -> bool:
        """Take `status` up; whether that changes where new requests may go."""
        before = self.eligible
        self.health = status
        return self.eligible is not before

    def available(self) -> bool:
        """Whether one more request fits now."""
        return self.in_flight < self._limit

    def __repr__(self) -> str:
        return f"<Backend {self.id} {self.spec.name}>"


def _authority(url: str) -> bytes:
    """What the Host field says when the backend is addressed by its own name."""
    scheme, separator, authority = url.partition("://")
    if not separator:
        return b"localhost"  # a unix socket has no name
    default = ":443" if scheme == "https" else ":80"
    return authority.removesuffix(default).encode("ascii")
