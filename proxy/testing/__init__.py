"""A kit for those who write an algorithm of their own: does it keep an algorithm's promises?"""

from proxy.testing.balancers import BrokenPromise, check_balancer

__all__ = ["BrokenPromise", "check_balancer"]
