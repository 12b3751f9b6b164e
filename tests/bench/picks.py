"""What a pick costs, for each algorithm: ``python -m tests.bench.picks``.

Microseconds at 3, 100 and 1,000 backends, idle and with up to nine requests in
flight on each; then the most processor time that an update of 1,000 takes at once, be
it in update() itself, in a slice of what that leaves to do, or in a pick after it.
"""

import gc
from random import Random
from time import thread_time
from timeit import repeat

from pool.choices import algorithm_names
from pool.snapshot import BackendSpec
from proxy.core.backend import Backend
from proxy.core.balancing import Balancer, balancer_class
from proxy.core.clock import Clock

SIZES = (3, 100, 1000)
_KEYS = [b"client %d" % number for number in range(512)]


def make_backends(count: int, rng: Random) -> list[Backend]:
    backends = []
    for number in range(count):
        spec = BackendSpec(id=number, name="b", url="http://10.0.0.1", weight=1 + number % 3)
        backends.append(Backend(spec))
        backends[-1].latency.observe(rng.uniform(1e3, 1e5), 1)
    return backends


def cost(balancer: Balancer) -> float:
    """Microseconds of a pick, the least of several rounds."""
    picks = 20 if len(balancer.backends) > 100 else 200
    keys = _KEYS[:picks] if balancer.needs_key else [None] * picks

    def run() -> None:
        for key in keys:
            balancer.pick(key=key)

    for key in _KEYS:
        balancer.pick(key=key)  # tables that are made when they are first needed
    return min(repeat(run, number=5, repeat=20)) / 5 / picks * 1e6


def most_at_once(algorithm: type[Balancer]) -> float:
    """Milliseconds, over an update of 1,000, the work it leaves, and the picks after it."""
    backends = make_backends(1000, Random(2))
    balancer = algorithm(backends[:-1], clock=Clock(1))
    moments = []

    def timed(*steps: object) -> None:
        nonlocal start
        moments.append(thread_time() - start)
        start = thread_time()

    start = thread_time()
    timed(balancer.update(backends))
    while balancer.work():
        timed()
    for key in _KEYS:
        timed(balancer.pick(key=key))
    return max(moments) * 1e3


def main() -> None:
    gc.freeze()  # as a worker does
    columns = [f"{count} {load}" for count in SIZES for load in ("idle", "busy")]
    print(f"{'µs':22}" + "".join(f"{column:>11}" for column in columns) + "   update, ms")
    for name in algorithm_names():
        algorithm = balancer_class(name)
        figures = []
        for count in SIZES:
            rng = Random(1)
            backends = make_backends(count, rng)
            balancer = algorithm(backends, clock=Clock(1), rng=rng)
            while balancer.work():
                pass
            figures.append(cost(balancer))
            for backend in backends:
                backend.in_flight = rng.randrange(10)
            figures.append(cost(balancer))
        print(f"{name:22}" + "".join(f"{figure:11.2f}" for figure in figures), end="")
        print(f"{most_at_once(algorithm):13.2f}")


if __name__ == "__main__":
    main()
