"""One request's life: which moves exist, who is tried, and that nobody is left counted."""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pool.bus import HealthStatus
from pool.choices import HealthState
from pool.snapshot import BackendSpec, PoolSpec, RetryPolicy
from proxy.core.balancing.weighted_round_robin import WeightedRoundRobin
from proxy.core.exchange import Exchange, IllegalMove, Phase
from proxy.core.pool import Pool
from proxy.core.succession import build_pool
from proxy.errors import (
    BackendReset,
    BadRequest,
    BadResponse,
    ClientGone,
    ConnectFailed,
    ConnectTimeout,
    NoBackend,
    NoRoom,
    ProxyError,
    ResponseTimeout,
)


def pool_with(backends: int, attempts: int = 3, **fields: int) -> Pool:
    specs = tuple(
        BackendSpec(id=n, name=f"b{n}", url=f"http://10.0.0.{n}", **fields)
        for n in range(1, backends + 1)
    )
    spec = PoolSpec(id=1, name="web", backends=specs, retry=RetryPolicy(attempts=attempts))
    return build_pool(spec, WeightedRoundRobin, None, 0)


def in_flight(pool: Pool) -> int:
    return sum(backend.in_flight for backend in pool.backends.values())


# --- the table of moves ---

MOVES: dict[str, Callable[[Exchange], object]] = {
    "choose": lambda exchange: exchange.choose(),
    "responded": lambda exchange: exchange.responded(),
    "fails for good": lambda exchange: exchange.failed(BadResponse(), replayable=False),
    "fails to connect": lambda exchange: exchange.failed(ConnectFailed(), replayable=True),
    "finish": lambda exchange: exchange.finish(),
}

_ = None  # an illegal move
TABLE: dict[Phase, dict[str, Phase | None]] = {
    Phase.CHOOSING: {
        "choose": Phase.TRYING,
        "responded": _,
        "fails for good": _,
        "fails to connect": _,
        "finish": Phase.DONE,
    },
    Phase.TRYING: {
        "choose": _,
        "responded": Phase.RELAYING,
        "fails for good": Phase.DONE,
        "fails to connect": Phase.CHOOSING,
        "finish": Phase.DONE,
    },
    Phase.RELAYING: {
        "choose": _,
        "responded": _,
        "fails for good": Phase.DONE,
        "fails to connect": Phase.DONE,
        "finish": Phase.DONE,
    },
    Phase.DONE: {
        "choose": _,
        "responded": _,
        "fails for good": _,
        "fails to connect": _,
        "finish": Phase.DONE,
    },
}


def exchange_in(phase: Phase, pool: Pool) -> Exchange:
    exchange = Exchange(pool, idempotent=True)
    path = {
        Phase.CHOOSING: [],
        Phase.TRYING: ["choose"],
        Phase.RELAYING: ["choose", "responded"],
        Phase.DONE: ["choose", "finish"],
    }
    for move in path[phase]:
        MOVES[move](exchange)
    return exchange


@pytest.mark.parametrize(
    ("phase", "move", "after"),
    [(phase, move, after) for phase, moves in TABLE.items() for move, after in moves.items()],
)
def test_every_move_in_every_phase(phase: Phase, move: str, after: Phase | None) -> None:
    pool = pool_with(2)
    exchange = exchange_in(phase, pool)
    if after is None:
        before = in_flight(pool)
        with pytest.raises(IllegalMove):
            MOVES[move](exchange)
        assert (exchange.phase, in_flight(pool)) == (phase, before), "nothing has changed"
        return
    MOVES[move](exchange)
    assert exchange.phase is after
    assert in_flight(pool) == (1 if after in (Phase.TRYING, Phase.RELAYING) else 0)


# --- retries ---


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("error", [ConnectFailed, ConnectTimeout])
def test_any_method_goes_on_when_no_connection_could_be_made(
    error: type[ProxyError], idempotent: bool
) -> None:
    exchange = Exchange(pool_with(2), idempotent)
    exchange.choose()
    assert exchange.failed(error(), replayable=True)


@pytest.mark.parametrize("error", [BackendReset, ResponseTimeout, BadResponse])
def test_post_is_not_sent_again_after_bytes_were_sent(error: type[ProxyError]) -> None:
    exchange = Exchange(pool_with(2), idempotent=False)
    exchange.choose()
    assert not exchange.failed(error(), replayable=True)


def test_get_is_sent_again_while_nothing_of_a_response_was_passed_on() -> None:
    exchange = Exchange(pool_with(2), idempotent=True)
    exchange.choose()
    assert exchange.failed(BackendReset(), replayable=True)


@pytest.mark.parametrize("error", [BackendReset, ConnectFailed])
def test_what_is_not_at_hand_any_more_is_not_sent_again(error: type[ProxyError]) -> None:
    exchange = Exchange(pool_with(2), idempotent=True)
    exchange.choose()
    assert not exchange.failed(error(), replayable=False)


@pytest.mark.parametrize("error", [BadRequest, ClientGone, NoBackend])
def test_only_a_backend_s_fault_is_tried_elsewhere(error: type[ProxyError]) -> None:
    exchange = Exchange(pool_with(2), idempotent=True)
    exchange.choose()
    assert not exchange.failed(error(), replayable=True)


def test_once_the_response_has_begun_there_is_no_way_back() -> None:
    exchange = Exchange(pool_with(2), idempotent=True)
    exchange.choose()
    exchange.responded()
    assert not exchange.failed(BackendReset(), replayable=True)


@pytest.mark.parametrize(("attempts", "tries"), [(1, 1), (2, 2), (3, 3), (10, 5)])
def test_attempts_count_all_tries_and_no_backend_is_tried_twice(attempts: int, tries: int) -> None:
    exchange = Exchange(pool_with(5, attempts), idempotent=True)
    tried = []
    try:
        while True:
            tried.append(exchange.choose())
            if not exchange.failed(ConnectFailed(), replayable=True):
                break
    except NoBackend:
        assert attempts > 5
    assert len(tried) == len(set(tried)) == tries
    assert exchange.attempts == tries
    assert exchange.phase is Phase.DONE


@pytest.mark.parametrize("pool", [pool_with(0), pool_with(2, weight=0)])
def test_no_backend_is_an_end(pool: Pool) -> None:
    exchange = Exchange(pool, idempotent=True)
    with pytest.raises(NoBackend):
        exchange.choose()
    assert exchange.phase is Phase.DONE


def test_a_full_pool_has_no_room_until_somebody_leaves() -> None:
    pool = pool_with(1, max_connections=1)
    first, second = Exchange(pool, idempotent=True), Exchange(pool, idempotent=True)
    first.choose()
    with pytest.raises(NoRoom):
        second.choose()
    first.finish()
    second.choose()


# --- whatever the order of events ---

# --- what the client is told ---


def all_ill(pool: Pool) -> Pool:
    ill = HealthStatus(state=HealthState.UNHEALTHY, since=0)
    pool.set_all_health(dict.fromkeys(pool.backends, ill))
    return pool


def told(pool: Pool, *errors: ProxyError) -> ProxyError:
    """What a request is answered with whose tries end so."""
    exchange = Exchange(pool, idempotent=True)
    for error in errors:
        exchange.choose()
        if not exchange.failed(error, replayable=True):
            return exchange.answer(error)
    with pytest.raises(NoBackend) as none_left:
        exchange.choose()
    return exchange.answer(none_left.value)


def test_the_client_is_told_how_the_last_try_failed_and_not_that_none_is_left() -> None:
    first, last = ConnectFailed("refused"), ConnectTimeout()
    assert told(pool_with(2), first, last) is last
    assert told(pool_with(1), first) is first
    assert told(pool_with(5, attempts=2), first, last) is last


def test_in_a_pool_without_anybody_well_the_client_is_told_so() -> None:
    for pool in (pool_with(2), pool_with(5, attempts=2)):
        answer = told(all_ill(pool), ConnectFailed(), ConnectFailed("refused"))
        assert isinstance(answer, NoBackend)
    assert isinstance(told(pool_with(0)), NoBackend)


def test_what_may_have_arrived_is_told_even_then() -> None:
    reset = BackendReset()
    assert told(all_ill(pool_with(2)), ConnectFailed(), reset) is reset
    failed = ConnectFailed()
    assert told(all_ill(pool_with(2)), reset, failed) is failed


# --- what failures cost ---


def picks_after(error: ProxyError) -> list[int]:
    """Whom a pool of two, of which the first has failed with `error`, picks next."""
    pool = pool_with(2, weight=10)
    exchange = Exchange(pool, idempotent=True)
    assert exchange.choose().id == 1
    exchange.failed(error, replayable=False)
    exchange.finish()
    picked = []
    for _ in range(6):
        exchange = Exchange(pool, idempotent=True)
        picked.append(exchange.choose().id)
        exchange.finish()
    return picked


@pytest.mark.parametrize("error", [ConnectFailed, BackendReset, BadResponse, ResponseTimeout])
def test_a_backend_that_has_failed_gets_less_for_some_turns(error: type[ProxyError]) -> None:
    assert picks_after(error()).count(1) < 3


@pytest.mark.parametrize("error", [ClientGone, BadRequest])
def test_what_was_not_its_fault_costs_a_backend_no_turn(error: type[ProxyError]) -> None:
    assert picks_after(error()) == [2, 1, 2, 1, 2, 1]


RETRY = RetryPolicy(on_statuses="503", budget=1)
ERRORS = [ConnectFailed, ConnectTimeout, BackendReset, BadResponse, ResponseTimeout, ClientGone]


class ManyExchanges(RuleBasedStateMachine):
    """Many requests at once over one pool, with backends that come and go meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        specs = pool_with(3, max_connections=2).spec.backends
        spec = PoolSpec(id=1, name="web", backends=specs, retry=RETRY)
        self.pool = build_pool(spec, WeightedRoundRobin, None, 0)
        self.known = list(self.pool.backends.values())
        self.exchanges: list[Exchange] = []

    def _some(self, data: st.DataObject, *phases: Phase) -> Exchange | None:
        fitting = [exchange for exchange in self.exchanges if exchange.phase in phases]
        return data.draw(st.sampled_from(fitting)) if fitting else None

    @rule(idempotent=st.booleans())
    def begin(self, idempotent: bool) -> None:
        self.exchanges.append(Exchange(self.pool, idempotent))

    @rule(data=st.data())
    def choose(self, data: st.DataObject) -> None:
        exchange = self._some(data, Phase.CHOOSING)
        if exchange is None:
            return
        tried = set(exchange.tried or ())
        try:
            backend = exchange.choose()
        except NoRoom:
            assert exchange.phase is Phase.CHOOSING
        except NoBackend:
            assert exchange.phase is Phase.DONE
        else:
            assert backend not in tried
            assert backend.in_flight <= 2

    @rule(data=st.data())
    def respond(self, data: st.DataObject) -> None:
        exchange = self._some(data, Phase.TRYING)
        if exchange is not None:
            exchange.responded()

    @rule(data=st.data(), error=st.sampled_from(ERRORS), replayable=st.booleans())
    def fail(self, data: st.DataObject, error: type[ProxyError], replayable: bool) -> None:
        exchange = self._some(data, Phase.TRYING, Phase.RELAYING)
        if exchange is None:
            return
        relaying = exchange.phase is Phase.RELAYING
        again = exchange.failed(error(), replayable=replayable)
        assert not (again and (relaying or not replayable))
        assert not (again and not exchange.idempotent and not error.nothing_sent)
        assert exchange.attempts <= 3

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        exchange = self._some(data, *Phase)
        if exchange is not None:
            exchange.finish()
            assert exchange.phase is Phase.DONE

    @rule(ids=st.sets(st.integers(1, 3)))
    def reconfigure(self, ids: set[int]) -> None:
        specs = tuple(
            BackendSpec(id=n, name=f"b{n}", url=f"http://10.0.0.{n}", max_connections=2)
            for n in sorted(ids)
        )
        spec = PoolSpec(id=1, name="web", backends=specs, retry=RETRY)
        self.pool = build_pool(spec, WeightedRoundRobin, self.pool, 0)
        self.known += [b for b in self.pool.backends.values() if b not in self.known]

    @rule(data=st.data(), status=st.sampled_from([200, 503]), replayable=st.booleans())
    def decline(self, data: st.DataObject, status: int, replayable: bool) -> None:
        exchange = self._some(data, Phase.TRYING)
        if exchange is not None and exchange.declines(status, replayable=replayable):
            assert (status, replayable, exchange.idempotent) == (503, True, True)
            assert exchange.phase is Phase.CHOOSING

    @rule(data=st.data())
    def hedge(self, data: st.DataObject) -> None:
        exchange = self._some(data, Phase.TRYING)
        second = exchange.hedge() if exchange is not None else None
        if exchange is not None and second is not None:
            assert second.backend not in {exchange.backend, *(exchange.tried or ())}
            self.exchanges.append(second)

    @invariant()
    def the_budget_holds_what_is_retried(self) -> None:
        retrying = [exchange for exchange in self.exchanges if exchange.retrying]
        assert self.pool.budget.taken == len(retrying) <= 3

    @invariant()
    def each_request_is_counted_once_where_it_is(self) -> None:
        held = [exchange.backend for exchange in self.exchanges if exchange.backend is not None]
        for backend in self.known:
            assert backend.in_flight == held.count(backend) >= 0

    def teardown(self) -> None:
        for exchange in self.exchanges:
            exchange.finish()
        assert all(backend.in_flight == 0 for backend in self.known)
        assert self.pool.budget.taken == 0


TestManyExchanges = ManyExchanges.TestCase
