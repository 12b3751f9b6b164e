"""How a worker comes to one view of its circuits with all others. No I/O: a shell does that.

The breakers of its backends say what has happened (`steps()`); whoever keeps the
shared circuits says what became of it (`agreed()`). While nobody can be asked, the
same rules run on this worker's own copies (`decide_alone()`), and what they have led
to is laid before the others later: the later change holds. A program that has nobody
to share with does nothing else. Times are Unix seconds, or any clock's if unshared.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, NamedTuple

import msgspec

from pool.bus import MALFORMED
from pool.choices import CircuitMode
from pool.circuits.records import Circuit, CircuitChange, Merge, Operation, Terms, Told, terms_of
from pool.circuits.script import read_circuit
from proxy.core.backend import Backend
from proxy.core.circuit.breaker import Breaker
from proxy.core.pool import Pool
from proxy.core.steps import Steps, at_once, in_parts
from proxy.stores.memory import MemoryCircuits

Step = tuple[int, Operation, Terms]  # the backend's id, what is done to its circuit, and by what

_SET_BACK = 1.0  # seconds; by less a clock goes back when it is only adjusted
_REMEMBERED = 100  # changes of one circuit that wait for Redis; of more, the last ones


class Equipment(NamedTuple):
    """Who goes by which breaker, by the backends' ids; `terms` by the pools'.

    `later`: ids of those that may be given theirs only when they are taken over. `moved`:
    of those at another URL.
    """

    breakers: dict[int, tuple[Breaker, Backend, Pool]]
    terms: dict[int, Terms]
    later: list[int]
    moved: list[int]


class Agreement:
    """`wake` is called when there is something to say; `now` is asked for the time."""

    def __init__(
        self, wake: Callable[[], None], now: Callable[[], float], log: logging.Logger
    ) -> None:
        self._name = token_hex(6)  # of this worker, whose permits are called after it
        self._wake_shell = wake
        self._now = now
        self._log = log
        self._copies = MemoryCircuits()
        self._equipment = Equipment({}, {}, [], [])
        self._awake: set[Breaker] = set()
        self._asked_at = 0.0
        self._untold: dict[int, deque[Told]] = {}  # what changed while nobody could be asked
        self._to_merge: set[int] = set()

    def configure(self, pools: Iterable[Pool]) -> None:
        """Give each backend its breaker; one that stays keeps what it knows."""
        pools = list(pools)
        before = self.take_over(at_once(self.prepare(pools)))
        at_once(self.settle(pools, before))

    def prepare(self, pools: Iterable[Pool]) -> Steps[Equipment]:
        """Make breakers for backends that have none; nothing that is in use changes."""
        equipment = Equipment({}, {}, [], [])
        for pool in pools:
            number, terms = pool.spec.id, terms_of(pool.spec)
            before = self._equipment.terms.get(number)
            terms = equipment.terms[number] = before if before == terms else terms
            yield
            if terms.policy.mode is CircuitMode.OFF:
                continue
            in_use = before is not None and before.policy.mode is CircuitMode.OFF
            for part in in_parts(pool.backends.values()):
                for backend in part:
                    self._equip(backend, pool, equipment, without_in_use=in_use)
                yield
        return equipment

    def _equip(
        self, backend: Backend, pool: Pool, equipment: Equipment, *, without_in_use: bool
    ) -> None:
        """`without_in_use`: whether one without a breaker may have requests."""
        known = self._breakers.get(backend.id)
        if known is not None and known[1].spec.url == backend.spec.url:
            breaker, served, _ = known
            if served is not backend:  # it has come from another pool
                equipment.later.append(backend.id)
        else:
            breaker = Breaker(backend.id, equipment.terms[pool.spec.id], self._name, self._wake)
            if known is not None:  # this is another server
                equipment.moved.append(backend.id)
            elif (circuit := self._copies.circuits.get(backend.id)) is not None:
                breaker.take_up(circuit, self._now())
            if without_in_use:
                equipment.later.append(backend.id)
            else:
                backend.set_breaker(breaker)
        equipment.breakers[backend.id] = breaker, backend, pool

    def take_over(self, equipment: Equipment) -> Equipment:
        """Go by `equipment` from now on; what it was before. With the pools' own `take_over()`.

        Not in steps: who hears of a circuit afterwards refreshes the pool that it is in now.
        """
        before, self._equipment = self._equipment, equipment
        for backend_id in equipment.moved:
            self._forget(backend_id)
        out = set()
        for backend_id in equipment.later:
            breaker, backend, pool = equipment.breakers[backend_id]
            backend.set_breaker(breaker)
            if backend.out:
                out.add(pool)
        for pool in out:
            pool.refresh()
        return before

    def settle(self, pools: Iterable[Pool], before: Equipment) -> Steps[None]:
        """Tell breakers their new terms, each for itself: other workers do at other times."""
        for pool in pools:
            changed = False
            for part in in_parts(pool.backends.values()):
                for backend in part:
                    changed |= self._settle(backend, pool)
                yield
            if changed:
                pool.refresh()
        for gone in in_parts(before.breakers.keys() - self._breakers.keys()):
            for backend_id in gone:
                self._forget(backend_id)  # or it would count among those that are out
            yield

    def _settle(self, backend: Backend, pool: Pool) -> bool:
        """Whether the backend is out now and was not, or the other way round."""
        equipped = self._breakers.get(backend.id)
        out = backend.out
        if equipped is None:
            backend.set_breaker(None)
        elif equipped[0].terms is not self._equipment.terms[pool.spec.id]:
            equipped[0].configure(self._equipment.terms[pool.spec.id])
        return backend.out is not out

    @property
    def _breakers(self) -> dict[int, tuple[Breaker, Backend, Pool]]:
        return self._equipment.breakers

    def _forget(self, backend_id: int) -> None:
        self._copies.forget(backend_id)
        self._untold.pop(backend_id, None)
        self._to_merge.discard(backend_id)

    def _wake(self, breaker: Breaker) -> None:
        self._awake.add(breaker)
        self._wake_shell()

    @property
    def guarding(self) -> bool:
        """Whether a circuit is not closed, so that time alone may change something."""
        return any(breaker.guards for breaker, _, _ in self._breakers.values())

    # --- what others have decided ---

    def hear(self, message: bytes) -> None:
        """An announcement."""
        try:
            change = msgspec.json.decode(message, type=CircuitChange)
        except MALFORMED as error:
            self._log.error("a circuit's announcement is malformed: %s", error)
            return
        if change.circuit.generation >= self._copies.get(change.backend_id).generation:
            self._take(change.backend_id, change.circuit)

    def take_all(self, records: Mapping[Any, Any]) -> Steps[None]:
        """All that is shared, by the backends' ids."""
        copies = self._copies.circuits
        known = dict(copies)
        for part in in_parts(list(self._breakers)):
            for backend_id in part:
                # What has been heard of it since is later than what was read before.
                if copies.get(backend_id) is known.get(backend_id):
                    self._read(backend_id, records.get(str(backend_id).encode()))
            yield

    def _read(self, backend_id: int, record: bytes | None) -> None:
        if record is None and backend_id not in self._copies.circuits:
            return  # nothing has ever happened to it, as to most
        try:
            circuit = read_circuit(record) if record is not None else Circuit()
        except MALFORMED as error:
            self._log.error("the circuit of backend %d is malformed: %s", backend_id, error)
        else:
            self._compare(backend_id, circuit)

    def _compare(self, backend_id: int, circuit: Circuit) -> None:
        """Take up what is shared, unless it does not know of what has happened here."""
        older = circuit.generation < self._copies.get(backend_id).generation
        if older or backend_id in self._untold:
            self._to_merge.add(backend_id)
            if older and not circuit.generation:
                self._give_back_all()
            self._wake_shell()
        else:
            self._take(backend_id, circuit)

    def _give_back_all(self) -> None:
        """One circuit is lost, and so others are: more could open than may be out at once."""
        copies = self._copies.circuits.items()
        self._to_merge |= {number for number, circuit in copies if circuit.generation}

    def _take(self, backend_id: int, circuit: Circuit) -> None:
        equipped = self._breakers.get(backend_id)
        if equipped is None:
            return
        breaker, backend, pool = equipped
        now = self._now()
        # Not by the generation: to a worker that starts, a closed circuit is no news.
        changed = circuit.state is not breaker.circuit.state
        out = backend.out
        self._copies.put(backend_id, pool.spec.id, circuit)
        breaker.take_up(circuit, now)
        backend.set_breaker(breaker)
        if backend.out is not out:
            pool.refresh()
        if changed:
            self._log.warning(
                "circuit of backend %s/%s: %s (%s), generation %d, %.1f ms after it was decided",
                pool.spec.name,
                backend.spec.name,
                circuit.state,
                circuit.cause,
                circuit.generation,
                (now - circuit.since) * 1000,
            )

    # --- what this worker has to say ---

    def steps(self, now: float) -> list[Step]:
        """What is to be done to the shared circuits; each is returned once."""
        if now < self._asked_at - _SET_BACK:
            for breaker, _, _ in self._breakers.values():
                breaker.forget_times()
        self._asked_at = now
        steps = self._merges()
        due = {breaker for breaker, _, _ in self._breakers.values() if breaker.due(now)}
        for breaker in due | self._awake:
            equipped = self._breakers.get(breaker.backend_id)
            if equipped is not None and equipped[0] is breaker:
                steps += [
                    (breaker.backend_id, operation, breaker.terms)
                    for operation in breaker.operations(now)
                ]
        self._awake.clear()
        return steps

    def _merges(self) -> list[Step]:
        steps: list[Step] = []
        for backend_id in self._to_merge & self._breakers.keys():
            untold = tuple(self._untold.get(backend_id, ()))
            merge = Merge(circuit=self._copies.get(backend_id), untold=untold)
            steps.append((backend_id, merge, self._breakers[backend_id][0].terms))
        return steps

    def order(self, operation: Operation) -> None:
        """Do this to each circuit, here and now."""
        steps = [(number, operation, one.terms) for number, (one, _, _) in self._breakers.items()]
        self.decide_alone(steps, self._now())

    def answered(
        self, steps: Sequence[Step], circuits: Sequence[Circuit | None], now: float
    ) -> None:
        """The shared circuits after each of `steps`; None of one: nobody could be asked."""
        told = [(step, circuit) for step, circuit in zip(steps, circuits, strict=True) if circuit]
        self.agreed([step for step, _ in told], [circuit for _, circuit in told])
        alone = [step for step, one in zip(steps, circuits, strict=True) if one is None]
        self.decide_alone(alone, now)

    def agreed(self, steps: Sequence[Step], circuits: Sequence[Circuit]) -> None:
        """The shared circuits after each of `steps`."""
        merged = {backend_id for backend_id, operation, _ in steps if _is_merge(operation)}
        self._to_merge -= merged
        for backend_id in merged:
            self._untold.pop(backend_id, None)
        for (backend_id, _, _), circuit in zip(steps, circuits, strict=True):
            self._compare(backend_id, circuit)

    def decide_alone(self, steps: Iterable[Step], now: float) -> None:
        for backend_id, operation, terms in steps:
            if _is_merge(operation):
                continue
            circuit, told = self._copies.apply(backend_id, operation, terms, now)
            changes = [one for one in told if one.after is not one.before]
            if changes:
                self._untold.setdefault(backend_id, deque(maxlen=_REMEMBERED)).extend(changes)
            self._take(backend_id, circuit)


def _is_merge(operation: object) -> bool:
    return isinstance(operation, Merge)
