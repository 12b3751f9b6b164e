"""What every algorithm promises, checked on small simulated traffic.

    from proxy.testing import check_balancer

    def test_mine():
        check_balancer(Mine)

Chance is seeded and time is simulated: what passes once passes always.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random

from pool.snapshot import BackendSpec
from proxy.core.backend import Backend
from proxy.core.balancing.base import Balancer
from proxy.testing.traffic import Traffic

_TOLERANCE = 0.25  # of a share: hashing is no more even than this
_MOVED = 0.05  # of the keys whose backend stayed


class BrokenPromise(AssertionError):
    """What the algorithm did, and what it should have done."""


def check_balancer(
    algorithm: type[Balancer], *, spreads: bool = True, weighted: bool = True, seed: int = 1
) -> None:
    """Raise `BrokenPromise` if `algorithm` breaks one.

    `spreads`: everybody gets requests while there are enough; `weighted`: in
    proportion to the weights. An algorithm that means to do otherwise says so.
    """
    _check_nobody_left(algorithm, seed)
    _check_only_who_may_be_taken(algorithm, seed)
    _check_limits(algorithm, seed)
    _check_updates(algorithm, seed)
    _check_chance(algorithm, seed)
    if spreads:
        _check_shares(algorithm, (1, 1, 1, 1), seed)
        if weighted:
            _check_shares(algorithm, (5, 3, 1, 1), seed)
            _check_shares(algorithm, (2.0, 1.0, 0.5), seed)  # as while one starts slowly
    if algorithm.needs_key:
        _check_keys(algorithm, seed)


def make_backends(*weights: float, max_connections: int = 0) -> list[Backend]:
    """Live backends of these weights, with the ids 1, 2, 3 …"""
    backends = []
    for number, weight in enumerate(weights, 1):
        backend = Backend(
            BackendSpec(
                id=number,
                name=f"b{number}",
                url=f"http://10.0.0.1:{number}",
                max_connections=max_connections,
            )
        )
        backend.weight = weight
        backends.append(backend)
    return backends


def _require(holds: object, promise: str) -> None:
    if not holds:
        raise BrokenPromise(promise)


def _check_nobody_left(algorithm: type[Balancer], seed: int) -> None:
    backends = make_backends(1, 1)
    traffic = Traffic(algorithm, [], seed)
    _require(traffic.pick() is None, "pick() without backends is None.")
    traffic.update(backends)
    _require(traffic.pick(excluded=set(backends)) is None, "pick() is None if all are excluded.")
    _require(traffic.pick() in backends, "A pick in vain leaves no trace.")
    traffic.update([])
    _require(traffic.pick() is None, "pick() is None once update() has taken all away.")


def _check_only_who_may_be_taken(algorithm: type[Balancer], seed: int) -> None:
    backends = make_backends(3, 1, 2, 1, 1, max_connections=1)
    traffic = Traffic(algorithm, backends, seed)
    rng = Random(seed)  # noqa: S311 - chance, no secret
    for _ in range(500):
        for backend in backends:
            backend.in_flight = rng.randrange(2)
        excluded = {backend for backend in backends if not rng.randrange(3)}
        usable = {backend for backend in backends if backend.available()} - excluded
        pick = traffic.pick(excluded)
        if usable:
            _require(pick in usable, "A pick is available() and not excluded, if any is.")
        else:
            _require(pick is None, "pick() is None if nobody is available().")


def _check_limits(algorithm: type[Balancer], seed: int) -> None:
    backends = make_backends(5, 1, 1, max_connections=2)
    traffic = Traffic(algorithm, backends, seed)
    for _ in range(6):
        pick = traffic.pick()
        _require(pick is not None, "All room is used before pick() is None.")
        if pick is not None:
            pick.take()
    _require(traffic.pick() is None, "pick() is None once all are full.")


def _check_updates(algorithm: type[Balancer], seed: int) -> None:
    rng = Random(seed)  # noqa: S311
    everybody = make_backends(1, 2, 3, 4, 5, 6)
    traffic = Traffic(algorithm, everybody, seed)
    for _ in range(60):
        backends = rng.sample(everybody, rng.randrange(1, 7))
        for backend in backends:
            backend.weight = rng.choice((0.1, 1, 2.5, 7))
        traffic.update(backends)
        picked = set(traffic.run(30, held=8))
        _require(picked <= set(backends), "After update() only its backends are picked.")


def _check_chance(algorithm: type[Balancer], seed: int) -> None:
    backends = make_backends(3, 1, 2, 1, 1)
    runs = []
    for luck in (seed, seed + 1):
        traffic = Traffic(algorithm, backends, luck)
        runs.append([traffic.pick(key=b"key") for _ in range(100)])
    _require(
        algorithm.by_chance or runs[0] == runs[1],
        "What goes by rng has by_chance = True: else an explanation names who is next.",
    )


def _check_shares(algorithm: type[Balancer], weights: Sequence[float], seed: int) -> None:
    backends = make_backends(*weights)
    traffic = Traffic(algorithm, backends, seed)
    requests = 4000
    picked = Counter(traffic.run(requests, held=int(12 * sum(weights))))
    starved = [backend for backend in backends if not picked[backend]]
    _require(not starved, f"Nobody starves: {weights} left {starved} without a request.")
    for backend in backends:
        fair = requests * backend.weight / sum(weights)
        _require(
            abs(picked[backend] - fair) <= _TOLERANCE * fair,
            f"Shares go by weight: {backend} of {weights} got {picked[backend]}, not {fair:.0f}.",
        )


def _check_keys(algorithm: type[Balancer], seed: int) -> None:
    backends = make_backends(1, 2, 1, 3, 1)
    keys = [b"key %d" % number for number in range(400)]
    placed = _place(algorithm, backends, keys, offset=0, seed=seed)
    again = _place(algorithm, backends[::-1], keys, offset=3, seed=seed + 1)
    _require(placed == again, "A key's backend is the same in all workers.")
    left = _place(algorithm, backends[1:], keys, offset=0, seed=seed)
    stayed = [key for key in keys if placed[key] is not backends[0]]
    moved = sum(placed[key] is not left[key] for key in stayed)
    _require(
        moved <= _MOVED * len(stayed),
        f"Keys of those that stay are not moved: {moved} of {len(stayed)} were.",
    )


def _place(
    algorithm: type[Balancer],
    backends: Sequence[Backend],
    keys: Sequence[bytes],
    *,
    offset: int,
    seed: int,
) -> dict[bytes, Backend | None]:
    traffic = Traffic(algorithm, backends, seed, offset=offset)
    return {key: traffic.pick(key=key) for key in keys}
