"""The balancer as a library: `from proxy.client import LoadBalancer`. No Django."""

from proxy.client.balancer import LoadBalancer
from proxy.client.members import AllBackendsUnavailable

__all__ = ["AllBackendsUnavailable", "LoadBalancer"]
