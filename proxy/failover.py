"""Primary and backups for any program: the edge's tiers, around a function.

    manager = FailoverManager(["db1:5432", "db2:5432"])
    rows = manager.call(lambda endpoint: connect(endpoint).query("..."))

The first endpoint that works is used. One that has failed is left alone for a while; then
one call tries it, and if that succeeds, calls return to it. One manager may be used from any
number of threads. No Django.
"""

from collections.abc import Callable, Iterable
from time import monotonic, monotonic_ns
from typing import Concatenate, ParamSpec, TypeVar

from proxy.client.members import AllBackendsUnavailable, Members, circuit_policy
from proxy.errors import BackendReset, NoBackend

P = ParamSpec("P")
T = TypeVar("T")

_ALGORITHM = "first_available"
_SUCCESS = 200


class FailoverManager:
    """`endpoints` are told apart by their text, and are tried in their order.

    One is out after `failure_threshold` failures in a row, and tried again after
    `recovery_timeout` seconds; None: not before `reset()`. `failures`: what counts as one,
    if the function raises it; anything else is the caller's, and is raised at once.
    """

    def __init__(
        self,
        endpoints: Iterable[str],
        *,
        failure_threshold: int = 1,
        recovery_timeout: float | None = 30.0,
        failures: tuple[type[Exception], ...] = (Exception,),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if failure_threshold < 1:
            raise ValueError(f"failure_threshold is {failure_threshold}: give at least 1")
        self._failures = failures
        policy = circuit_policy((), recovery_timeout, failure_threshold)
        self._members = Members(_ALGORITHM, policy, clock)
        self._members.replace(())
        for tier, endpoint in enumerate(endpoints):
            self._members.put(endpoint, str(tier), tier=tier)

    @property
    def active(self) -> str | None:
        """Which one is used now; None: all of them are out."""
        return next(iter(self._members.names(well=True)), None)

    def call(
        self, function: Callable[Concatenate[str, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What `function(endpoint, …)` returns for the first endpoint for which it does.

        It is called again with the next one where it fails: nothing that must not happen
        twice belongs in it. `AllBackendsUnavailable` if nobody is left.
        """
        members, decisions = self._members, self._members.decisions
        exchange = members.exchange(idempotent=True)
        cause: Exception | None = None
        while True:
            try:
                backend = decisions.choose(exchange)
            except NoBackend:
                raise members.unavailable() from cause
            began = monotonic_ns()
            members.tried(backend)
            try:
                result = function(backend.spec.name, *args, **kwargs)
            except self._failures as error:
                cause, failure = error, BackendReset(f"{type(error).__name__}: {error}")
                members.failed(backend, failure)
                decisions.failed(exchange, failure, began, replayable=True)
            except BaseException:
                decisions.finish(exchange)
                raise
            else:
                decisions.responded(exchange, _SUCCESS, began)
                decisions.finish(exchange, _SUCCESS)
                return result

    def reset(self) -> None:
        """Return to the first endpoint, as if none had ever failed."""
        self._members.reset()


__all__ = ["AllBackendsUnavailable", "FailoverManager"]
