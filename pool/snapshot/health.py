"""Active checks: of a pool, and what is different for one backend."""

import msgspec

from pool.choices import ProbeKind, ProbeMethod
from pool.snapshot.forwarding import HeaderRule
from pool.snapshot.spec import Spec


class HealthPolicy(Spec, frozen=True):
    """Active checks. Times in seconds; defaults after HAProxy's `inter 2s rise 2 fall 3`.

    `host`: "" is what the traffic gets. `headers` are set, beside the probe's own.
    `port`: 0 is the backend's. `body`: what RE2 has to find in the first 256 KiB; "" is
    anything. `fast_interval` while a verdict is on the way to change and `down_interval`
    while it is unhealthy; 0: as ever. `jitter`: up to so many percent of the interval
    come on top of a due time. A backend that passes later than `degraded_latency` is
    degraded, and has `degraded_weight` percent of its weight; 0: however late.
    """

    enabled: bool = True
    kind: ProbeKind = ProbeKind.URL
    method: ProbeMethod = ProbeMethod.GET
    path: str = "/"
    host: str = ""
    port: int = 0
    expected_status: str = "200-399"
    headers: tuple[HeaderRule, ...] = ()
    body: str = ""
    interval: float = 2.0
    timeout: float = 2.0
    fast_interval: float = 0.0
    down_interval: float = 0.0
    rise: int = 2
    fall: int = 3
    degraded_latency: float = 0.0
    degraded_weight: int = 50
    jitter: int = 0


class HealthOverrides(Spec, frozen=True):
    """What is different for one backend; None is as the pool has it.

    `url`: the origin to probe in place of the backend's, such as a sidecar's.
    """

    url: str | None = None
    kind: ProbeKind | None = None
    method: ProbeMethod | None = None
    path: str | None = None
    host: str | None = None
    port: int | None = None
    expected_status: str | None = None
    headers: tuple[HeaderRule, ...] | None = None
    body: str | None = None
    interval: float | None = None
    timeout: float | None = None
    fast_interval: float | None = None
    down_interval: float | None = None
    rise: int | None = None
    fall: int | None = None
    degraded_latency: float | None = None
    degraded_weight: int | None = None
    jitter: int | None = None

    def over(self, policy: HealthPolicy) -> HealthPolicy:
        """The policy of the backend in a pool that has `policy`."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if name != "url"}
        return msgspec.structs.replace(
            policy, **{name: value for name, value in given.items() if value is not None}
        )
