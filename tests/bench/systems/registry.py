"""Every system that can be compared, by name, in the order of the report."""

from tests.bench.systems.base import System
from tests.bench.systems.caddy import Caddy
from tests.bench.systems.edge import Edge, LoggingEdge
from tests.bench.systems.envoy import Envoy
from tests.bench.systems.haproxy import HAProxy
from tests.bench.systems.nginx import Nginx
from tests.bench.systems.python import AiohttpBalancer, FastApiBalancer, ThreadedBalancer

SYSTEMS: dict[str, type[System]] = {
    system.name: system
    for system in (
        Edge,
        LoggingEdge,
        HAProxy,
        Nginx,
        Envoy,
        Caddy,
        AiohttpBalancer,
        ThreadedBalancer,
        FastApiBalancer,
    )
}
