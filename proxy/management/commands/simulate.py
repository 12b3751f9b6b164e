"""`manage.py simulate`: try an algorithm on a pool before its traffic depends on it."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from rich.console import Console
from rich.progress import Progress

from pool.choices import algorithm_names
from pool.compilation import compile_configuration
from pool.snapshot import PoolSpec
from proxy.core.balancing import UnknownAlgorithm, balancer_class
from proxy.simulation import planning
from proxy.simulation.fault import parse_fault
from proxy.simulation.outcome import Outcome
from proxy.simulation.recording import NothingRecorded, Recording, read_recording
from proxy.simulation.report import report
from proxy.simulation.scenario import ClosedLoop, Load, OpenLoop, Scenario, tower
from proxy.simulation.service_time import parse_service_time
from proxy.simulation.simulator import simulate

_WIDTH = sys.maxsize  # of a report that goes to no terminal: names are whole there
_WORTH_TELLING = 2.0  # seconds
T = TypeVar("T")
N = TypeVar("N", int, float)


class Command(BaseCommand):
    help = (
        "Run a pool's configuration with the edge's own code against simulated backends, in "
        "simulated time, and compare algorithms: shares, latencies, errors. Nothing is changed "
        "and nothing is sent. Health and circuits as they are now do not count."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        subject = parser.add_mutually_exclusive_group(required=True)
        subject.add_argument("--pool", help="name of a pool, as it is saved")
        subject.add_argument(
            "--tower",
            action="store_true",
            help="ten backends that take up to 1 ms … 1 s, as in tower-rs' comparison",
        )
        parser.add_argument(
            "--algorithm",
            nargs="+",
            default=[],
            metavar="NAME",
            help="the pool's own if none is named; 'all' for all that are installed",
        )
        parser.add_argument("--seed", type=int, default=0, help="of all chance (%(default)s)")
        parser.add_argument("--format", choices=["table", "json"], default="table")
        _add_load(parser)
        _add_backends(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            scenario = self._scenario(options)
            algorithms = _algorithms(options["algorithm"], scenario.pool)
        except (planning.PlanError, NothingRecorded, UnknownAlgorithm) as error:
            raise CommandError(f"{error}.") from error
        outcomes = _run(scenario, algorithms, options["seed"])
        if options["format"] == "json":
            self.stdout.write(json.dumps(msgspec.to_builtins(outcomes), indent=2))
            return
        terminal = self.stdout.isatty()
        console = Console(
            file=self.stdout,  # type: ignore[arg-type]  # as good as a file, says Django
            width=None if terminal else _WIDTH,
            no_color=options["no_color"],
            highlight=False,
        )
        console.print(_headline(scenario, options))
        console.print(report(outcomes))

    def _scenario(self, options: dict[str, Any]) -> Scenario:
        scenario = tower() if options["tower"] else planning.default_scenario(_pool(options))
        recording = self._recording(options, scenario.pool) if options["from_log"] else None
        wishes = planning.Wishes(
            service_times=options["latency"],
            capacity=options["capacity"],
            faults=options["fail"],
            load=_load(options),
            requests=options["requests"],
            workers=options["workers"],
            recording=recording,
        )
        return planning.plan(scenario, wishes)

    def _recording(self, options: dict[str, Any], pool: PoolSpec) -> Recording:
        path: Path = options["from_log"]
        limit = options["requests"] or planning.MAX_REQUESTS
        try:
            with path.open("rb") as file:
                recording = read_recording(file, pool.name, pool.balancing.hash_key, limit)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except NothingRecorded as error:
            raise CommandError(f"{path}: {error}.") from error
        if recording.unreadable:
            self.stderr.write(f"{path}: passed over {recording.unreadable:,} unreadable lines")
        return recording


def _add_load(parser: CommandParser) -> None:
    load = parser.add_mutually_exclusive_group()
    load.add_argument(
        "--concurrency",
        type=_number(int, 1, 100_000),
        metavar="N",
        help="so many clients, each of which sends its next request when the last one was "
        f"answered ({planning.DEFAULT_CONCURRENCY})",
    )
    load.add_argument(
        "--rate",
        type=_number(float, 0.001, 1_000_000),
        metavar="R",
        help="requests a second, at random instants, however slow the answers",
    )
    parser.add_argument(
        "--requests",
        type=_number(int, 1, planning.MAX_REQUESTS),
        metavar="N",
        help=f"for each algorithm ({planning.DEFAULT_REQUESTS}, or all of the log)",
    )
    parser.add_argument(
        "--from-log",
        type=Path,
        metavar="FILE",
        help="an access log of the edge: its arrivals, unless --rate or --concurrency is given, "
        "and each backend's times, unless --latency is",
    )
    parser.add_argument(
        "--workers", type=_number(int, 1, 64), default=1, metavar="N", help="of the edge (1)"
    )


def _add_backends(parser: CommandParser) -> None:
    several = partial(parser.add_argument, nargs="+", action="extend", default=[])
    several(
        "--latency",
        type=_named("=", parse_service_time),
        metavar="LATENCY",
        help="of the backend a: a=10ms, a=uniform:MAX, a=exponential:MEAN or "
        f"a=lognormal:MEDIAN:SIGMA; without a name of all (default: {planning.DEFAULT_LATENCY})",
    )
    several(
        "--capacity",
        type=_named("=", _number(int, 1, 1_000_000)),
        metavar="CAPACITY",
        help="as in a=8: requests that it works on at once, others wait in it; without a name "
        "of each (no limit)",
    )
    several(
        "--fail",
        type=_named("@", parse_fault),
        metavar="FAULT",
        help="b@5s-15s: refuses connections from 5 s to 15 s after the start; b@5s-: for good; "
        "b@5s-15s:errors: answers 500; b@5s-15s:slow:10: is ten times as slow",
    )


def _number(kind: Callable[[str], N], low: float, high: float) -> Callable[[str], N]:
    def parse(text: str) -> N:
        with suppress(ValueError):
            value = kind(text)
            if low <= value <= high:
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is no number from {low:g} to {high:,.9g}")

    return parse


def _named(separator: str, parse: Callable[[str], T]) -> Callable[[str], planning.Named[T]]:
    def parse_one(text: str) -> planning.Named[T]:
        try:
            return planning.parse_named(text, separator, parse)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_one


def _pool(options: dict[str, Any]) -> PoolSpec:
    """As it is saved: Redis, and what edges have of it by now, is not asked."""
    try:
        pools, _routes = compile_configuration()
    except DatabaseError as error:
        raise CommandError(f"The database cannot be read: {error}") from error
    for pool in pools:
        if pool.name == options["pool"]:
            return pool
    known = ", ".join(pool.name for pool in pools) or "none at all"
    raise CommandError(f"There is no pool {options['pool']!r}; there is {known}.")


def _load(options: dict[str, Any]) -> Load | None:
    if options["rate"] is not None:
        return OpenLoop(options["rate"])
    if options["concurrency"] is not None:
        return ClosedLoop(options["concurrency"])
    return None


def _algorithms(wanted: Sequence[str], pool: PoolSpec) -> list[str]:
    """`UnknownAlgorithm` for one that is not installed, or cannot be loaded."""
    installed = algorithm_names()
    names = installed if "all" in wanted else list(dict.fromkeys(wanted)) or [pool.algorithm]
    for name in names:
        if name not in installed:
            raise UnknownAlgorithm(
                f"no algorithm named {name!r} is installed, but {', '.join(installed)}"
            )
        balancer_class(name)
    return names


def _run(scenario: Scenario, algorithms: Sequence[str], seed: int) -> list[Outcome]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        return [_run_one(scenario, name, seed, console, bars) for name in algorithms]


def _run_one(
    scenario: Scenario, algorithm: str, seed: int, console: Console, bars: Progress
) -> Outcome:
    bar = bars.add_task(algorithm, total=scenario.requests)
    estimate = _Estimate(console, algorithm, scenario.requests)

    def progress(ended: int) -> None:
        bars.update(bar, completed=ended)
        estimate.hear(ended)

    outcome = simulate(scenario, algorithm, seed, progress)
    bars.update(bar, completed=scenario.requests)
    return outcome


class _Estimate:
    """Says once how long it will take, to those who see no bar move."""

    def __init__(self, console: Console, name: str, requests: int) -> None:
        self._console = console
        self._name = name
        self._requests = requests
        self._began = perf_counter()
        self._said = console.is_terminal

    def hear(self, ended: int) -> None:
        seconds = (perf_counter() - self._began) * self._requests / ended
        if not self._said and seconds > _WORTH_TELLING:
            self._console.print(f"{self._name}: {self._requests:,} requests, about {seconds:.0f} s")
        self._said = True


def _headline(scenario: Scenario, options: dict[str, Any]) -> str:
    match scenario.load:
        case ClosedLoop(concurrency):
            load = f"{concurrency:,} at a time"
        case OpenLoop(rate):
            load = f"{rate:g} a second"
        case _:
            load = "when they came in the log"
    pool, workers = scenario.pool, scenario.workers
    line = (
        f"Pool {pool.name}, {len(pool.backends)} backend{'s'[len(pool.backends) == 1 :]}: "
        f"{scenario.requests:,} requests, {load}, "
        f"{workers} worker{'s'[workers == 1 :]}, seed {options['seed']}."
    )
    if not (options["tower"] or options["from_log"] or options["latency"]):
        line += f"\nNo latency is given: {planning.DEFAULT_LATENCY} is assumed of each backend."
    return line
