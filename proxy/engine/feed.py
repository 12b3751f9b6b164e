"""What the control plane says reaches the worker here, and the worker's word goes back.

Redis may be away at any time: the worker goes on with what it has, and a copy
of the last snapshot in a file lets even a restarted one serve.
"""

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from time import time
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from pool import bus
from pool.bus import EdgeReport, FailoverState, FloorChange, HealthChange, HealthStatus
from pool.snapshot import SnapshotError, decode
from pool.trouble import Trouble
from proxy.core.balancing import UnknownAlgorithm
from proxy.core.steps import Steps, at_once
from proxy.engine.edge import Edge
from proxy.engine.load_report import LoadReport
from proxy.engine.pace import in_slices
from proxy.stores.records import CHANNELS, read_records
from proxy.stores.timing import REREAD_INTERVAL, RETRY

MAX_TOGETHER = 1000  # announcements that are taken in one go

log = logging.getLogger("lbsite.edge")


class Feed:
    """Keeps `edge` at the published configuration and health, and reports on it."""

    def __init__(self, edge: Edge, redis: Redis, file: Path, report: EdgeReport) -> None:
        self._edge = edge
        self._redis = redis
        self._file = file
        self._report = report
        self._load_report = LoadReport(redis, report.worker_id)
        self._raw = b""  # the snapshot that was last looked at, as it was encoded
        self._absence = Trouble(
            log, "Redis is away, going on with the last configuration: %s", "Redis is back"
        )
        self._caught_up = asyncio.Event()

    def load_file(self) -> None:
        """Start with the configuration that this machine ran last."""
        try:
            raw = self._file.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("the configuration of the last run cannot be read: %s", error)
            return
        at_once(self._take_snapshot(raw))

    async def run(self) -> None:
        """Follow the control plane until cancelled."""
        while True:
            try:
                await self._follow()
            except (RedisError, OSError, TimeoutError) as error:
                self._absence.met(error)
            except Exception:  # a defect in one reading must not end all that follow
                log.exception("what is published could not be taken up")
            await asyncio.sleep(RETRY)

    async def wait_until_caught_up(self, patience: float) -> None:
        """Until Redis has been read once, or for so many seconds if it is away."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._caught_up.wait()

    async def _follow(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channels:
            await channels.subscribe(*CHANNELS)
            while True:
                # Subscribed first: what is announced during the reading is not missed.
                await self._read_all()
                self._caught_up.set()
                self._absence.over()
                reread_at = self._edge.loop.time() + REREAD_INTERVAL
                while (left := reread_at - self._edge.loop.time()) > 0:
                    message = await channels.get_message(timeout=left)
                    if message is not None:
                        await self._hear_all(message, channels)

    async def _hear_all(self, message: dict[str, Any] | None, channels: PubSub) -> None:
        """Take `message` and those that have come behind it: a switch takes down a rack at once."""
        changes: dict[int, HealthStatus] = {}
        heard = 0
        try:
            while message is not None:
                channel, data = message["channel"].decode(), message["data"]
                if channel == bus.HEALTH_CHANNEL:
                    changes |= _health_change(data)
                else:
                    await self._hear(channel, data)
                heard += 1
                if heard == MAX_TOGETHER:
                    break
                message = await channels.get_message(timeout=0)
        finally:  # Redis may go away after it has told who is dead
            if changes:
                self._edge.update_health(changes)

    async def _hear(self, channel: str, data: bytes) -> None:
        match channel:
            case bus.SNAPSHOT_CHANNEL:
                await self._read_all()
            case bus.CIRCUIT_CHANNEL:
                self._edge.circuits.hear(data)
            case bus.EJECTIONS_CHANNEL:
                self._edge.outliers.hear(data)
            case bus.FAILOVER_CHANNEL:
                self._hear_of_floor(data)

    def _hear_of_floor(self, data: bytes) -> None:
        try:
            change = msgspec.json.decode(data, type=FloorChange)
        except bus.MALFORMED as error:
            log.error("a failover announcement is malformed: %s", error)
            return
        self._edge.set_floor(change.pool_id, change.floor)

    async def _read_floors(self) -> None:
        """A pool that is missing keeps its floor: Redis has lost it, and gets it back."""
        records = await self._redis.hgetall(bus.FAILOVER_KEY)
        states = await in_slices(read_records(records, FailoverState, "floor of pool", log))
        for pool_id, state in states.items():
            self._edge.set_floor(pool_id, state.floor)

    async def _read_all(self) -> None:
        raw = await self._redis.get(bus.SNAPSHOT_KEY)
        if isinstance(raw, bytes) and raw != self._raw:
            if await in_slices(self._take_snapshot(raw)):
                await asyncio.to_thread(self._save, raw)
            await self._report_snapshot()
        await self._read_floors()  # first: a backend that is well again may have to wait
        records = await self._redis.hgetall(bus.HEALTH_KEY)
        statuses = await in_slices(read_records(records, HealthStatus, "health of backend", log))
        await in_slices(self._edge.set_all_health(statuses))
        await in_slices(self._edge.circuits.take_all(await self._redis.hgetall(bus.CIRCUITS_KEY)))
        self._edge.outliers.take_all(await self._redis.hgetall(bus.EJECTIONS_KEY))

    def _take_snapshot(self, raw: bytes) -> Steps[bool]:
        """Run the snapshot in `raw` if it can be run; the last good one stays otherwise.

        True: it runs.
        """
        self._raw = raw
        try:
            snapshot = decode(raw)
            yield
            if snapshot.content_hash != self._edge.configuration.snapshot.content_hash or (
                snapshot.number != self._edge.configuration.snapshot.number
            ):
                yield from self._edge.steps(snapshot)
        except (SnapshotError, UnknownAlgorithm) as error:
            self._refused(error)
            return False
        except Exception as error:  # a good configuration runs on, whatever the new one holds
            log.exception("a configuration could not be applied")
            self._refused(error)
            return False
        log.info("running snapshot %d", snapshot.number)
        shortcoming = self._edge.shortcoming()
        if shortcoming and shortcoming != self._report.error:
            log.error("%s", shortcoming)
        self._report = msgspec.structs.replace(
            self._report,
            snapshot_number=snapshot.number,
            snapshot_hash=snapshot.content_hash,
            snapshot_since=time(),
            error=shortcoming,
        )
        return True

    def _refused(self, error: Exception) -> None:
        log.error("a configuration was refused, the last one runs on: %s", error)
        self._report = msgspec.structs.replace(self._report, error=str(error))

    def _save(self, raw: bytes) -> None:
        temporary = self._file.with_suffix(f".{os.getpid()}")
        try:
            temporary.write_bytes(raw)
            temporary.replace(self._file)
        except OSError as error:
            log.error("the configuration could not be saved for a cold start: %s", error)

    async def report(self) -> None:
        """Tell what this worker runs and has; silently not, while Redis is away."""
        try:
            await self._report_snapshot()
            await self._load_report.send(self._edge.connections, self._edge.clock.now)
        except (RedisError, OSError) as error:
            log.debug("not reported: %s", error)

    async def _report_snapshot(self) -> None:
        report = msgspec.structs.replace(
            self._report, seen_at=time(), requests=self._edge.counters.requests
        )
        await self._redis.hset(bus.EDGES_KEY, report.worker_id, msgspec.json.encode(report))

    async def sign_off(self) -> None:
        try:
            await self._redis.hdel(bus.EDGES_KEY, self._report.worker_id)
            await self._load_report.withdraw()
        except (RedisError, OSError) as error:
            log.debug("not signed off: %s", error)


def _health_change(data: bytes) -> dict[int, HealthStatus]:
    try:
        change = msgspec.json.decode(data, type=HealthChange)
    except bus.MALFORMED as error:
        log.error("a health announcement is malformed: %s", error)
        return {}
    return {change.backend_id: change.status}
