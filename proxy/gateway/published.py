"""What the control plane has published, kept up to date in one process of a web server.

One thread hears what is announced; another reads Redis, when something was or a while has
passed, and brings circuits to agreement with those of all other workers. Requests wait for
neither. While Redis is away, the last that was read holds.
"""

import logging
from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread
from time import monotonic, monotonic_ns, sleep, time

import msgspec
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from pool import bus
from pool.bus import FailoverState, HealthStatus
from pool.outliers.records import Ejection, read_ejections
from pool.snapshot import PoolSpec, RouteSpec, Snapshot, SnapshotError, decode
from pool.trouble import Trouble
from proxy.client.decisions import Decisions
from proxy.core.balancing import UnknownAlgorithm
from proxy.core.configuration import Configuration
from proxy.core.ejected import show_ejected
from proxy.core.steps import at_once
from proxy.stores.records import CHANNELS, read_records
from proxy.stores.redis import ThreadedRedisCircuits
from proxy.stores.timing import BATCH, IDLE_TICK, PATIENCE, REREAD_INTERVAL, RETRY, TICK

log = logging.getLogger("lbsite.client")


class Published:
    """`mount`: the path under which the pools are served, each under its name."""

    def __init__(self, redis_url: str, mount: str, sticky_key: bytes) -> None:
        # What a circuit does cannot wait: without an answer this process decides alone.
        self._redis = redis = Redis.from_url(
            redis_url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
        self._mount = mount
        self._sticky_key = sticky_key
        self._shared = ThreadedRedisCircuits(redis)
        self._news = Event()
        self.decisions = Decisions(time, self._news.set, alone=False)
        self._raw = b""
        self._announced = False  # something that has not been read yet
        self._absence = Trouble(
            log, "Redis is away, going on with what was published last: %s", "Redis is back"
        )
        self._starting = Lock()
        self._started = False

    @property
    def configuration(self) -> Configuration:
        """What runs now. The first one to ask waits until Redis has been read once."""
        if not self._started:
            with self._starting:
                if not self._started:
                    self._step(self._read)
                    for work in (self._follow, self._listen):
                        Thread(target=work, name="lbsite-published", daemon=True).start()
                    self._started = True
        return self.decisions.configuration

    def _follow(self) -> None:
        read_at = monotonic() + REREAD_INTERVAL
        while True:
            pause = TICK if self.decisions.circuits.guarding else IDLE_TICK
            if self._news.wait(pause):
                sleep(BATCH)
                self._news.clear()
            self._step(self._agree)
            if self._announced or monotonic() >= read_at:
                self._announced = False
                self._step(self._read)
                read_at = monotonic() + REREAD_INTERVAL

    def _step(self, step: Callable[[], None]) -> None:
        try:
            step()
        except RedisError as error:
            self._absence.met(error)
        except Exception:  # a defect in one reading must not end all that follow
            log.exception("what is published could not be taken up")

    # --- announcements ---

    def _listen(self) -> None:
        while True:
            self._step(self._hear_all)
            sleep(RETRY)

    def _hear_all(self) -> None:
        """Until the connection breaks."""
        with self._redis.pubsub(ignore_subscribe_messages=True) as channels:  # type: ignore[no-untyped-call]
            channels.subscribe(*CHANNELS)
            self._read_soon()  # what was announced before
            while True:
                message = channels.get_message(timeout=REREAD_INTERVAL)
                if message is None:
                    continue
                if message["channel"] == bus.CIRCUIT_CHANNEL.encode():
                    with self.decisions.lock:
                        self.decisions.circuits.hear(message["data"])
                else:
                    self._read_soon()

    def _read_soon(self) -> None:
        self._announced = True
        self._news.set()

    # --- circuits ---

    def _agree(self) -> None:
        decisions, now = self.decisions, time()
        with decisions.lock:
            steps = decisions.circuits.steps(now)
        if not steps:
            return
        try:
            circuits = self._shared.apply(steps, now)
        except (RedisError, *bus.MALFORMED):
            with decisions.lock:
                decisions.circuits.decide_alone(steps, now)
            raise
        with decisions.lock:
            decisions.circuits.agreed(steps, circuits)

    # --- configuration and health ---

    def _read(self) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(bus.SNAPSHOT_KEY)
            for key in (bus.FAILOVER_KEY, bus.HEALTH_KEY, bus.EJECTIONS_KEY, bus.CIRCUITS_KEY):
                pipe.hgetall(key)
            raw, floors, health, ejections, circuits = pipe.execute()
        self._absence.over()
        if raw is not None and raw != self._raw:
            self._take_snapshot(raw)
        decisions = self.decisions
        statuses = at_once(read_records(health, HealthStatus, "health of backend", log))
        states = at_once(read_records(floors, FailoverState, "floor of pool", log))
        with decisions.lock:
            for number, pool in decisions.configuration.pools.items():
                pool.clock.now = monotonic_ns()
                if number in states:
                    pool.set_floor(states[number].floor)
                pool.set_all_health(statuses)
                show_ejected(pool, _ejected(pool.spec, ejections))
            at_once(decisions.circuits.take_all(circuits))

    def _take_snapshot(self, raw: bytes) -> None:
        self._raw = raw
        try:
            snapshot = decode(raw)
            routes = _routes_by_name(snapshot, self._mount)
            self.decisions.configure(
                msgspec.structs.replace(snapshot, routes=routes), self._sticky_key
            )
        except (SnapshotError, UnknownAlgorithm) as error:
            log.error("a configuration was refused, the last one runs on: %s", error)


def _routes_by_name(snapshot: Snapshot, mount: str) -> tuple[RouteSpec, ...]:
    """In the place of the operator's: each pool under its name; counted as of no route."""
    return tuple(
        RouteSpec(id=0, pool_id=pool.id, path_prefix=mount + pool.name, strip_prefix=True)
        for pool in snapshot.pools
    )


def _ejected(pool: PoolSpec, records: Mapping[bytes, bytes]) -> dict[int, Ejection]:
    """Found by edges: this process looks for no outliers, and ends no ejection before its time."""
    if not pool.outlier.enabled:
        return {}
    return read_ejections(records.get(str(pool.id).encode())).out(time())
