"""When a backend that answers worse than the others is left out."""

from pool.snapshot.spec import Spec


class OutlierPolicy(Spec, frozen=True):
    """Who is ejected for answering worse than it should, after Envoy; times in seconds."""

    enabled: bool = False
    consecutive_5xx: int = 5  # failures in a row; 0: never
    consecutive_gateway: int = 5  # in a row 502, 503, 504 or no response; 0: never
    interval: float = 10.0  # after which success rates are compared
    base_time: float = 30.0  # that an ejection lasts, times how often in a row
    max_time: float = 300.0
    max_ejected: int = 10  # percent of the pool, rounded down
    success_hosts: int = 5  # so many have to have
    success_requests: int = 100  # so many requests in a worker
    success_deviations: float = 1.9  # standard ones below the mean; 0: never
    probes_return: bool = True  # a probe that passes ends an ejection
