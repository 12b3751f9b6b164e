"""The answer: the edge's own code, run on what is published and on what the workers report."""

from enum import StrEnum

import msgspec
from redis import Redis

from pool.snapshot import PoolSpec, Snapshot, SnapshotError
from proxy.core.balancing import UnknownAlgorithm
from proxy.core.balancing.base import Balancer
from proxy.core.configuration import Configuration
from proxy.core.exchange import Exchange
from proxy.core.explain import (
    PoolView,
    Rehearsal,
    RouteView,
    explain_pool,
    explain_routes,
    rehearse,
)
from proxy.core.pool import Pool
from proxy.core.secret import derive_key
from proxy.core.sticky import KEY_PURPOSE
from proxy.engine.prepared import HEALTH_PATH
from proxy.errors import NoBackend
from proxy.explain.bystander import inform
from proxy.explain.published import read_snapshot
from proxy.explain.question import Question

# An algorithm that looks at every backend takes about 0.1 µs for each.
_MAX_PICKS = 2000
_WORK = 400_000


class By(StrEnum):
    """How the choice among those that may serve is made."""

    NOBODY = "nobody"  # there is none: 503
    MARK = "mark"  # the client's own, of the backend that it sticks to
    ONLY = "only"
    KEY = "key"
    CHANCE = "chance"
    TURN = "turn"  # by order and score


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """`backend`: the one an idle worker takes first; None by chance, unless it must be that one.

    `shares`: percent of so many choices in a row at these figures.
    """

    by: By
    backend: str | None
    shares: dict[str, float]
    picks: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`pool` and `choice` are None where no route matches; `age` where no worker reports.

    `sticks_to`: the backend that the request's mark names.
    """

    snapshot: int
    answered_by_edge: bool  # its health path, which no route can have
    routes: list[RouteView]
    pool: PoolView | None = None
    sticks_to: str | None = None
    choice: Choice | None = None
    workers: int = 0
    age: float | None = None


class Unanswerable(Exception):
    """There is nothing that this version could run; says why."""


def explain(question: Question, redis: Redis, secret: str) -> Answer:
    """`secret`: the installation's. Raises QuestionError, Unanswerable or RedisError."""
    try:
        snapshot = read_snapshot(redis)
        if snapshot is None:
            raise Unanswerable("Nothing has been published yet: save a pool.")
        return _explain(question, redis, snapshot, derive_key(secret, KEY_PURPOSE))
    except (SnapshotError, UnknownAlgorithm) as error:
        raise Unanswerable(f"What is published cannot be run here: {error}.") from error


def _explain(question: Question, redis: Redis, snapshot: Snapshot, sticky_key: bytes) -> Answer:
    # Routes first, over empty pools: tables of backends are made for one pool only.
    head = question.prepare(Configuration(_without_backends(snapshot)))
    routes = explain_routes(head.configuration.router, head.head.host, head.head.path)
    by_edge = head.head.path == HEALTH_PATH
    if head.route is None:
        routes = [] if by_edge else routes
        return Answer(snapshot=snapshot.number, answered_by_edge=by_edge, routes=routes)
    number = head.route.pool.spec.id
    return _explain_choice(question, redis, sticky_key, snapshot, number, routes)


def _explain_choice(
    question: Question,
    redis: Redis,
    sticky_key: bytes,
    snapshot: Snapshot,
    number: int,
    routes: list[RouteView],
) -> Answer:
    alone = tuple(spec for spec in snapshot.pools if spec.id == number)
    reduced = msgspec.structs.replace(snapshot, pools=alone)
    prepared = question.prepare(Configuration(reduced, sticky_key=sticky_key))
    pool = prepared.configuration.pools[number]
    figures = inform(pool, redis)
    preferred = prepared.claim.preferred if prepared.claim is not None else None
    view = explain_pool(pool, prepared.key)
    exchange = Exchange(pool, prepared.idempotent, prepared.key, preferred)
    return Answer(
        snapshot=snapshot.number,
        answered_by_edge=False,
        routes=routes,
        pool=view,
        sticks_to=preferred.spec.name if preferred is not None else None,
        choice=_choice(pool, view, exchange),
        workers=figures.workers,
        age=figures.age,
    )


def _choice(pool: Pool, view: PoolView, exchange: Exchange) -> Choice:
    """What the exchange of an idle worker chooses, and what it would go on choosing."""
    sticks = exchange.sticks
    try:
        backend = exchange.choose()
    except NoBackend:
        return Choice(by=By.NOBODY, backend=None, shares={}, picks=0)
    exchange.finish()
    name = backend.spec.name
    if sticks:
        return Choice(by=By.MARK, backend=name, shares={name: 100.0}, picks=0)
    rehearsal = rehearse(pool, exchange.key, _picks(pool.spec))
    by = _by(pool, view, exchange.key, rehearsal)
    certain = name if by is not By.CHANCE else None
    return Choice(by=by, backend=certain, shares=rehearsal.shares, picks=rehearsal.picks)


def _by(pool: Pool, view: PoolView, key: bytes | None, rehearsal: Rehearsal) -> By:
    if sum(backend.passed_over is None for backend in view.backends) == 1:
        return By.ONLY
    serving = [share.tier for share in pool.shares if share.percent]
    balancers: list[Balancer] = [pool.tiers[tier].balancer_for(key) for tier in serving]
    if all(balancer.needs_key for balancer in balancers) and key is not None:
        return By.KEY
    if len(serving) > 1 or any(balancer.by_chance for balancer in balancers):
        return By.CHANCE
    return By.TURN


def _picks(pool: PoolSpec) -> int:
    return min(_MAX_PICKS, max(100, _WORK // max(1, len(pool.backends))))


def _without_backends(snapshot: Snapshot) -> Snapshot:
    pools = tuple(msgspec.structs.replace(pool, backends=()) for pool in snapshot.pools)
    return msgspec.structs.replace(snapshot, pools=pools)
